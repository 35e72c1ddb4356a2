import Randomness

/// Requests of constant content, whose responses have another size.
struct RequestWorkload: Workload, ~Copyable {
    struct Exchange: BitwiseCopyable, Sendable {
        var sent = 0
        var received = 0
    }

    private let request: UnsafeMutableRawBufferPointer
    private let responseSize: Int
    private let verifies: Bool

    init(_ payload: LoadTest.Payload, _ response: LoadTest.ExpectedResponse) {
        request = .allocate(byteCount: payload.count, alignment: 64)
        switch payload {
        case .generated: BytePattern.fill(request)
        case .bytes(let bytes): request.copyBytes(from: bytes)
        }
        responseSize = response.size
        verifies = response.verifies
    }

    deinit {
        request.deallocate()
    }

    static var isStream: Bool { false }

    var isEmpty: Bool { false }

    var initial: Exchange { Exchange() }

    @inline(__always)
    mutating func begin(_ exchange: inout Exchange) {
        exchange = Exchange()
    }

    @inline(__always)
    mutating func outgoing(_ exchange: inout Exchange) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: request[exchange.sent...])
    }

    @inline(__always)
    mutating func sent(_ count: Int, _ exchange: inout Exchange) {
        exchange.sent += count
    }

    @inline(__always)
    mutating func received(_ bytes: UnsafeRawBufferPointer, _ exchange: inout Exchange) -> Reaction {
        guard bytes.count <= responseSize - exchange.received else { return .mismatches }
        if verifies, BytePattern.firstDifference(in: bytes, from: exchange.received) != nil { return .mismatches }
        exchange.received += bytes.count
        if exchange.received < responseSize { return .receives }
        // A response that is complete before its request has been sent is invalid.
        return exchange.sent == request.count ? .completes : .mismatches
    }

    func mayEnd(_ exchange: Exchange) -> Bool { false }

    mutating func finish(_ exchange: inout Exchange) -> Bool { false }
}
