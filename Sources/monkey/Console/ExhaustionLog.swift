import Logging
import TCPProxy

/// Decides when to log that descriptors or memory are exhausted: immediately, and then once per interval while new
/// failures occur.
struct ExhaustionLog {
    /// The shortest time between two log lines.
    static let interval: Duration = .seconds(10)

    private var pauses = 0
    private var refusals = 0
    private var nextAt: ContinuousClock.Instant?

    /// Returns the log line for the failures since the last line; nil if there are none or the last line is recent.
    mutating func line(
        for snapshot: MetricsSnapshot,
        at now: ContinuousClock.Instant
    ) -> (message: String, metadata: Logger.Metadata)? {
        let newPauses = snapshot.acceptPauses[.exhausted, default: 0] - pauses
        let newRefusals = snapshot.memoryAllocationFailures - refusals
        guard newPauses > 0 || newRefusals > 0, nextAt.map({ $0 <= now }) ?? true else { return nil }
        pauses += newPauses
        refusals += newRefusals
        nextAt = now + Self.interval
        let what = newRefusals > 0 ? "Out of memory" : "Out of descriptors or memory"
        let advice = newRefusals > 0 ? "more memory (ulimit -v)" : "more descriptors (ulimit -n) or memory"
        return (
            "\(what): accepting was paused \(newPauses) times: allow \(advice), or lower --max-connections",
            [
                "accept_pauses": .stringConvertible(newPauses),
                "memory_allocation_failures": .stringConvertible(newRefusals),
            ]
        )
    }
}
