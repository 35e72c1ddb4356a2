package import Balancing

/// Result of one health check.
package struct HealthReport<ServerID: Hashable & Sendable>: Sendable {
    /// The server that was checked.
    package let server: ServerID
    package let result: Result<Duration, HealthCheckFailure>
    /// State of the server, with this result taken into account.
    package let state: HealthCounter.State
    /// Whether this result changed the state.
    package let isChange: Bool
    /// Number of consecutive results of this kind, including this one.
    package let inARow: Int
}

extension HealthReport {
    /// Whether the check passed.
    package var passed: Bool {
        if case .success = result { true } else { false }
    }

    /// Reason for the state, as the end of a sentence: "3 consecutive checks failed, the last: connection refused".
    package var cause: String {
        let count = inARow == 1 ? "the check" : "\(inARow) consecutive checks"
        return switch result {
        case .success: "\(count) passed"
        case .failure(let failure):
            inARow == 1 ? "\(count) failed: \(failure)" : "\(count) failed, the last: \(failure)"
        }
    }
}
