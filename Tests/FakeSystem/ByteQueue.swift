/// Bytes in a row: appended at one end, taken at the other.
struct ByteQueue {
    private var bytes: [UInt8] = []
    private var taken = 0

    var count: Int { bytes.count - taken }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ more: some Sequence<UInt8>) {
        bytes.append(contentsOf: more)
    }

    /// The first bytes, up to `count`.
    func prefix(_ count: Int) -> ArraySlice<UInt8> {
        bytes[taken...].prefix(count)
    }

    mutating func removeFirst(_ count: Int) {
        taken += count
        if taken == bytes.count {
            removeAll()
        } else if taken > bytes.count / 2 {
            bytes.removeFirst(taken)
            taken = 0
        }
    }

    /// Takes the first bytes, up to `count`.
    mutating func takeFirst(_ count: Int) -> [UInt8] {
        let part = Array(prefix(count))
        removeFirst(part.count)
        return part
    }

    mutating func removeAll() {
        bytes.removeAll()
        taken = 0
    }
}
