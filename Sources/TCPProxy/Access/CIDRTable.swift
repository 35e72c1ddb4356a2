import Sockets

/// What holds for the most specific block that an address is in, among thousands of blocks.
///
/// Blocks lie within each other or apart, so all that they say is a row of ranges, each with one value: a sorted array for
/// each family. A search allocates nothing and takes as many steps as the number of blocks has binary figures.
struct CIDRTable<Value: Equatable & Sendable>: Sendable, Equatable {
    private let ipv4: Ranges<UInt32>
    private let ipv6: Ranges<UInt128>

    /// - Parameters:
    ///   - entries: in any order. Of several with the same block the last counts.
    ///   - otherwise: what holds for an address that is in none.
    init(_ entries: some Sequence<(block: AddressBlock, value: Value)>, otherwise: Value) {
        var ipv4: [Ranges<UInt32>.Entry] = []
        var ipv6: [Ranges<UInt128>.Entry] = []
        for (block, value) in entries {
            let last = block.first.bits | ~AddressBlock.mask(block.wholePrefixLength)
            if block.first.isIPv4 {
                ipv4.append(
                    .init(
                        first: UInt32(truncatingIfNeeded: block.first.bits),
                        last: UInt32(truncatingIfNeeded: last),
                        value: value
                    )
                )
            } else {
                ipv6.append(.init(first: block.first.bits, last: last, value: value))
            }
        }
        self.ipv4 = Ranges(ipv4, otherwise: otherwise)
        self.ipv6 = Ranges(ipv6, otherwise: otherwise)
    }

    subscript(address: InternetAddress) -> Value {
        address.isIPv4 ? ipv4[UInt32(truncatingIfNeeded: address.low)] : ipv6[address.bits]
    }

    /// Ranges that the array has, of both families: at most two for each block, and one for each family.
    var rangeCount: Int { ipv4.count + ipv6.count }
}

extension CIDRTable {
    /// Values of adjacent ranges, which together are all numbers.
    fileprivate struct Ranges<Key: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable, Equatable {
        struct Entry {
            let first: Key
            let last: Key
            let value: Value
        }

        /// Where each range begins, in order; the first at 0.
        private var starts: [Key] = [0]
        private var values: [Value]

        var count: Int { starts.count }

        /// - Parameter entries: each within another one, around it, or apart from it.
        init(_ entries: [Entry], otherwise: Value) {
            values = [otherwise]
            // Around before within. The order of equals is kept, so that the last of them counts.
            let sorted = entries.enumerated().sorted { left, right in
                if left.element.first != right.element.first { return left.element.first < right.element.first }
                if left.element.last != right.element.last { return left.element.last > right.element.last }
                return left.offset < right.offset
            }
            // Those that the place reached is in, the innermost last.
            var open: [Entry] = []
            func close(upTo next: Key?) {
                while let innermost = open.last {
                    if let next, innermost.last >= next { break }
                    open.removeLast()
                    if innermost.last < Key.max { begin(at: innermost.last + 1, open.last?.value ?? otherwise) }
                }
            }
            for (_, entry) in sorted {
                close(upTo: entry.first)
                begin(at: entry.first, entry.value)
                open.append(entry)
            }
            close(upTo: nil)
        }

        private mutating func begin(at start: Key, _ value: Value) {
            if starts[starts.count - 1] == start {
                values[values.count - 1] = value
            } else {
                starts.append(start)
                values.append(value)
            }
            // A range with the value of the one before it is no range of its own.
            if values.count > 1, values[values.count - 2] == value {
                starts.removeLast()
                values.removeLast()
            }
        }

        subscript(key: Key) -> Value {
            // The last range that begins at the key or before it; one always does.
            var low = 0
            var high = starts.count
            while high - low > 1 {
                let middle = low + (high - low) / 2
                if starts[middle] <= key { low = middle } else { high = middle }
            }
            return values[low]
        }
    }
}
