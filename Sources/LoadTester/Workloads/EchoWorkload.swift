import Glibc
import Randomness
import Sockets

/// Requests of a constant length, whose responses must be the same bytes.
///
/// The first bytes of a generated request are its sequence number, so that a response to another request is detected.
struct EchoWorkload: Workload, ~Copyable {
    struct Exchange: BitwiseCopyable, Sendable {
        var number: UInt64 = 0
        var sent = 0
        var received = 0
    }

    private let request: UnsafeMutableRawBufferPointer
    private let count: Int
    /// Number of leading bytes that hold the sequence number.
    private let stamped: Int
    private var nextNumber: UInt64

    /// - Parameter thread: index of the thread; different threads use different sequence numbers.
    init(_ payload: LoadTest.Payload, thread: Int) {
        switch payload {
        case .generated(let count):
            request = .allocate(byteCount: max(1, count), alignment: 64)
            BytePattern.fill(request)
            stamped = min(count, MemoryLayout<UInt64>.size)
        case .bytes(let bytes):
            request = .allocate(byteCount: max(1, bytes.count), alignment: 64)
            request.copyBytes(from: bytes)
            stamped = 0
        }
        count = payload.count
        nextNumber = UInt64(thread) << 48
    }

    deinit {
        request.deallocate()
    }

    static var isStream: Bool { false }

    var isEmpty: Bool { count == 0 }

    var initial: Exchange { Exchange() }

    @inline(__always)
    mutating func begin(_ exchange: inout Exchange) {
        exchange = Exchange(number: nextNumber)
        nextNumber &+= 1
    }

    @inline(__always)
    mutating func outgoing(_ exchange: inout Exchange) -> UnsafeRawBufferPointer {
        stamp(exchange.number)
        return UnsafeRawBufferPointer(rebasing: request[exchange.sent..<count])
    }

    @inline(__always)
    mutating func sent(_ count: Int, _ exchange: inout Exchange) {
        exchange.sent += count
    }

    @inline(__always)
    mutating func received(_ bytes: UnsafeRawBufferPointer, _ exchange: inout Exchange) -> Reaction {
        guard let start = bytes.baseAddress, let expected = request.baseAddress,
            bytes.count <= count - exchange.received
        else { return .mismatches }
        stamp(exchange.number)
        guard memcmp(expected + exchange.received, start, bytes.count) == 0 else { return .mismatches }
        exchange.received += bytes.count
        if exchange.received < count { return .receives }
        // A response that is complete before its request has been sent is invalid.
        return exchange.sent == count ? .completes : .mismatches
    }

    func mayEnd(_ exchange: Exchange) -> Bool { false }

    mutating func finish(_ exchange: inout Exchange) -> Bool { false }

    /// Writes the sequence number into the request. The buffer is shared by all connections, so this precedes each use.
    @inline(__always)
    private mutating func stamp(_ number: UInt64) {
        if stamped == MemoryLayout<UInt64>.size {
            request.storeBytes(of: number.littleEndian, as: UInt64.self)
        } else if stamped > 0 {
            withUnsafeBytes(of: number.littleEndian) { request.copyMemory(from: .init(rebasing: $0[..<stamped])) }
        }
    }
}
