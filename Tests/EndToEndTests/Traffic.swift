import Glibc
import Support
import Testing

extension SystemFailure {
    /// Whether the error means that the connection is closed.
    var isEndOfConnection: Bool { code == ECONNRESET || code == EPIPE }
}

/// Sends a pattern and a FIN to an echo server behind the proxy, and expects both to return.
func exchangeWithEcho(
    _ client: TestSocket,
    _ pattern: Pattern,
    count: Int,
    at location: SourceLocation = #_sourceLocation
) async throws {
    async let sending: Void = {
        try client.send(pattern, count: count, at: location)
        try client.finish()
    }()
    let received = try client.receiveRest(of: pattern, at: location)
    #expect(received == (count, .fin), sourceLocation: location)
    try await sending
}

/// Sends on all sockets until none has accepted a byte for a while, because the receivers do not read; returns the
/// number of bytes sent on each.
func sendUntilStuck(
    _ sockets: [TestSocket],
    _ pattern: Pattern,
    atMost limit: Int = 64 << 20,
    at location: SourceLocation = #_sourceLocation
) async throws -> [Int] {
    var sent = [Int](repeating: 0, count: sockets.count)
    var lastProgress = ContinuousClock.now
    while ContinuousClock.now - lastProgress < .milliseconds(500) {
        for (index, socket) in sockets.enumerated() {
            let taken = try pattern.withBytes(from: sent[index], count: 64 << 10) {
                try socket.sendWithoutWaiting($0)
            }
            if taken > 0 { lastProgress = .now }
            sent[index] += taken
            if sent[index] > limit { throw Unexpected("a sender with a stalled reader was not blocked", at: location) }
        }
        try await Task.sleep(for: .milliseconds(5))
    }
    return sent
}
