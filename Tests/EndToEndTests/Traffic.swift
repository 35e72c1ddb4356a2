import Glibc
import Support
import Testing

extension SystemFailure {
    /// Whether it says that the connection is gone.
    var isEndOfConnection: Bool { code == ECONNRESET || code == EPIPE }
}

/// Sends on all sockets until none has taken a byte for a while, because nobody reads at the far end; gives what each
/// has sent.
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
            if sent[index] > limit { throw Unexpected("nothing held up a sender whose reader stalls", at: location) }
        }
        try await Task.sleep(for: .milliseconds(5))
    }
    return sent
}
