import Foundation
import Glibc
package import Testing

/// Timeout for an event that must happen. Generous, since the machine may be busy, if only with hundreds of other
/// tests; a passing test never waits this long. PATIENCE in the environment overrides the number of seconds, for builds
/// that are slow.
package let patience: Duration = .seconds(ProcessInfo.processInfo.environment["PATIENCE"].flatMap(Int.init) ?? 60)

/// Whether the programs under test are built with a sanitizer, which uses additional memory. Set by SANITIZER in the
/// environment.
package let isSanitized = ProcessInfo.processInfo.environment["SANITIZER"] != nil

/// Waits until `condition` holds, polling every few milliseconds.
///
/// - Throws: ``TimedOut``, with `what` in its text, if `condition` does not hold within `limit`; and errors of
///   `condition`.
package func eventually(
    _ what: String,
    within limit: Duration = patience,
    at location: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw TimedOut(waitingFor: what, after: limit, at: location) }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// Returns by how much a value grows within a period, for a rate that must stay below a limit.
package func increase(
    of value: () throws -> Int,
    over period: Duration
) async throws -> Int {
    let before = try value()
    try await Task.sleep(for: period)
    return try value() - before
}

/// Like ``eventually(_:within:at:_:)``, for a thread that may block; returns the first value that is not nil.
func waited<Value>(
    for what: String,
    within limit: Duration,
    at location: SourceLocation,
    _ value: () throws -> Value?
) throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        if let value = try value() { return value }
        guard ContinuousClock.now < deadline else { throw TimedOut(waitingFor: what, after: limit, at: location) }
        usleep(2_000)
    }
}
