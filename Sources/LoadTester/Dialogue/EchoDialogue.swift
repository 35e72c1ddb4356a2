import Glibc
import Sockets

/// A request of always the same length, and a response that has to be the same bytes.
///
/// The first bytes of a generated request number it, so that a response which belongs to another one shows.
struct EchoDialogue: Dialogue, ~Copyable {
    struct Exchange: BitwiseCopyable, Sendable {
        var number: UInt64 = 0
        var sent = 0
        var received = 0
    }

    private let request: UnsafeMutableRawBufferPointer
    private let count: Int
    /// How many of the first bytes are the number.
    private let stamped: Int
    private var nextNumber: UInt64

    /// - Parameter thread: numbers of different threads differ.
    init(_ payload: Payload, thread: Int) {
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
        else { return .objects }
        stamp(exchange.number)
        guard memcmp(expected + exchange.received, start, bytes.count) == 0 else { return .objects }
        exchange.received += bytes.count
        if exchange.received < count { return .listens }
        // A response that is complete before its request is none.
        return exchange.sent == count ? .completes : .objects
    }

    func mayEnd(_ exchange: Exchange) -> Bool { false }

    mutating func finish(_ exchange: inout Exchange) -> Bool { false }

    /// The request's buffer is shared by all connections, so the number of the one at hand is put in before each use.
    @inline(__always)
    private mutating func stamp(_ number: UInt64) {
        if stamped == MemoryLayout<UInt64>.size {
            request.storeBytes(of: number.littleEndian, as: UInt64.self)
        } else if stamped > 0 {
            withUnsafeBytes(of: number.littleEndian) { request.copyMemory(from: .init(rebasing: $0[..<stamped])) }
        }
    }
}
