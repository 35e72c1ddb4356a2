import Foundation
import Glibc
package import Testing

/// How long tests wait for something that must happen. Generous, since the machine may be busy, with hundreds of other
/// tests to begin with: a test that passes never waits for it. PATIENCE in the environment is another number of seconds,
/// for builds that are slow themselves.
package let patience: Duration = .seconds(ProcessInfo.processInfo.environment["PATIENCE"].flatMap(Int.init) ?? 60)

/// Whether the programs under test are built for a sanitizer, which takes memory of its own. SANITIZER in the environment
/// says so.
package let isSanitized = ProcessInfo.processInfo.environment["SANITIZER"] != nil

/// Waits until `condition` holds, looking again every few milliseconds.
///
/// - Throws: ``TimedOut``, with `what` in its text, when it does not hold within `limit`; and what `condition` throws.
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

/// As ``eventually(_:within:at:_:)``, for a thread that may block: gives the first value that is not nil.
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
