import Glibc
import Randomness
import Sockets

/// A stream of the pattern in one or both directions, without end until `finish`.
struct StreamWorkload: Workload, ~Copyable {
    struct Exchange: BitwiseCopyable, Sendable {
        var sent = 0
        var received = 0
        var isFinishing = false
    }

    private let sends: Bool
    private let echoes: Bool
    private let verifies: Bool
    private let chunk: Int
    /// One period of the pattern, and enough of the next one that a chunk is contiguous at any offset.
    private let pattern: UnsafeMutableRawBufferPointer

    init(_ bulk: LoadTest.Bulk) {
        sends = bulk.direction != .download
        echoes = bulk.direction == .both
        // Data received during an upload is ignored.
        verifies = bulk.verifies && bulk.direction != .upload
        chunk = bulk.chunk
        pattern = .allocate(byteCount: BytePattern.period + chunk, alignment: 64)
        BytePattern.fill(pattern)
    }

    deinit {
        pattern.deallocate()
    }

    static var isStream: Bool { true }

    var isEmpty: Bool { false }

    var initial: Exchange { Exchange() }

    mutating func begin(_ exchange: inout Exchange) {
        exchange = Exchange()
    }

    @inline(__always)
    mutating func outgoing(_ exchange: inout Exchange) -> UnsafeRawBufferPointer {
        guard sends, !exchange.isFinishing else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let offset = exchange.sent % BytePattern.period
        return UnsafeRawBufferPointer(rebasing: pattern[offset..<offset + chunk])
    }

    @inline(__always)
    mutating func sent(_ count: Int, _ exchange: inout Exchange) {
        exchange.sent += count
    }

    @inline(__always)
    mutating func received(_ bytes: UnsafeRawBufferPointer, _ exchange: inout Exchange) -> Reaction {
        if verifies, !isPattern(bytes, from: exchange.received) { return .mismatches }
        exchange.received += bytes.count
        // More bytes were echoed than sent.
        return echoes && exchange.received > exchange.sent ? .mismatches : .receives
    }

    func mayEnd(_ exchange: Exchange) -> Bool {
        !echoes || exchange.received == exchange.sent
    }

    mutating func finish(_ exchange: inout Exchange) -> Bool {
        exchange.isFinishing = true
        return sends
    }

    private func isPattern(_ bytes: UnsafeRawBufferPointer, from offset: Int) -> Bool {
        var rest = bytes
        var offset = offset
        while let start = rest.baseAddress, !rest.isEmpty {
            let window = UnsafeRawBufferPointer(rebasing: pattern[(offset % BytePattern.period)...])
            let count = min(rest.count, window.count)
            guard let expected = window.baseAddress, memcmp(expected, start, count) == 0 else { return false }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            offset += count
        }
        return true
    }
}
