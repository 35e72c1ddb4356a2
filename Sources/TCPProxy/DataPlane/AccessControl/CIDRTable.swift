import Sockets

/// A longest-prefix-match table for thousands of CIDR blocks.
///
/// CIDR blocks are nested or disjoint, so they flatten to a sequence of ranges with one value each: a sorted array for
/// each address family. A lookup is a binary search and does not allocate.
struct CIDRTable<Value: Equatable & Sendable>: Sendable, Equatable {
    private let ipv4: Ranges<UInt32>
    private let ipv6: Ranges<UInt128>

    /// - Parameters:
    ///   - entries: in any order. Of duplicate blocks, the last one takes effect.
    ///   - otherwise: the value for addresses that match no block.
    init(_ entries: some Sequence<(block: CIDRBlock, value: Value)>, otherwise: Value) {
        var ipv4: [Ranges<UInt32>.Entry] = []
        var ipv6: [Ranges<UInt128>.Entry] = []
        for (block, value) in entries {
            let last = block.first.bits | ~CIDRBlock.mask(block.wholePrefixLength)
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

    /// The number of ranges of both families: at most two for each block plus one for each family.
    var rangeCount: Int { ipv4.count + ipv6.count }
}

extension CIDRTable {
    /// Adjacent ranges that cover the whole key space, with one value each.
    fileprivate struct Ranges<Key: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable, Equatable {
        struct Entry {
            let first: Key
            let last: Key
            let value: Value
        }

        /// The first key of each range, ascending; the first one is 0.
        private var starts: [Key] = [0]
        private var values: [Value]

        var count: Int { starts.count }

        /// - Parameter entries: pairwise nested or disjoint.
        init(_ entries: [Entry], otherwise: Value) {
            values = [otherwise]
            // Outer blocks sort before inner ones. Equal blocks keep their order, so that the last one takes effect.
            let sorted = entries.enumerated().sorted { left, right in
                if left.element.first != right.element.first { return left.element.first < right.element.first }
                if left.element.last != right.element.last { return left.element.last > right.element.last }
                return left.offset < right.offset
            }
            // The blocks that contain the current key, innermost last.
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
            // A range with the same value as the previous one is merged into it.
            if values.count > 1, values[values.count - 2] == value {
                starts.removeLast()
                values.removeLast()
            }
        }

        subscript(key: Key) -> Value {
            // Find the last range that starts at or before the key; the first range starts at 0, so there is always
            // one.
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
