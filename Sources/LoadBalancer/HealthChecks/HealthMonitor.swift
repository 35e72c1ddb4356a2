import Balancing
import EventLoop
import Randomness
package import Sockets
import Synchronization

/// Scheduler of the health checks: runs those of each server at its own interval and reports the results.
///
/// Checks of one server never overlap, and at most `checkLimit` checks run at the same time over all servers. A check
/// that is due waits for a permit; this delays that check and no other.
package final class HealthMonitor<ServerID: Hashable & Sendable>: Sendable {
    package typealias HealthCheckFunction =
        @Sendable (HealthCheckKind, SocketAddress, _ timeout: Duration, _ preamble: [UInt8], _ tls: StreamTLS?) async
        -> Result<Duration, HealthCheckFailure>

    private struct Subject: Sendable {
        let server: ServerID
        let address: SocketAddress
        let settings: HealthCheck
        let tls: StreamTLS?
        let ordinal: UInt64
        /// Finishes when the server is no longer to be checked.
        let membership: AsyncStream<Never>
    }

    private struct State {
        var memberships: [ServerID: AsyncStream<Never>.Continuation] = [:]
        var nextOrdinal: UInt64 = 0
    }

    /// Default for the number of concurrent checks of all servers.
    package static var defaultCheckLimit: Int { 64 }

    private let permits: AsyncSemaphore
    private let clock: any Clock<Duration>
    private let seed: UInt64
    private let probe: HealthCheckFunction
    private let report: @Sendable (HealthReport<ServerID>) -> Void
    private let state = Mutex(State())
    private let arrivals: AsyncStream<Subject>
    private let arrive: AsyncStream<Subject>.Continuation

    /// - Parameters:
    ///   - checkLimit: maximum number of concurrent checks, at least 1.
    ///   - clock: clock for the intervals.
    ///   - seed: seed of the jitter.
    ///   - probe: performs a check; ``HealthCheckRun/run(_:at:timeout:preamble:tls:)`` except in tests.
    ///   - report: receives the result of each check, in order for each server, on any thread. It must not block. A
    ///     server may be reported once more after `forget`.
    package init(
        checkLimit: Int = defaultCheckLimit,
        clock: any Clock<Duration> = ContinuousClock(),
        seed: UInt64 = .random(in: 0 ... .max),
        probe: @escaping HealthCheckFunction = {
            await HealthCheckRun.run($0, at: $1, timeout: $2, preamble: $3, tls: $4)
        },
        report: @escaping @Sendable (HealthReport<ServerID>) -> Void
    ) {
        permits = AsyncSemaphore(checkLimit)
        self.clock = clock
        self.seed = seed
        self.probe = probe
        self.report = report
        (arrivals, arrive) = AsyncStream.makeStream()
    }

    /// Starts to check a server, or replaces its settings; in that case its result counters are reset.
    ///
    /// - Parameter tls: TLS of the checks; nil checks without.
    package func watch(
        _ server: ServerID,
        at address: SocketAddress,
        by settings: HealthCheck,
        tls: StreamTLS? = nil
    ) {
        let (membership, end) = AsyncStream<Never>.makeStream()
        state.withLock { state in
            state.memberships.updateValue(end, forKey: server)?.finish()
            // Inside the lock, so that subjects arrive in the order of their memberships.
            arrive.yield(
                Subject(
                    server: server,
                    address: address,
                    settings: settings,
                    tls: tls,
                    ordinal: state.nextOrdinal,
                    membership: membership
                )
            )
            state.nextOrdinal += 1
        }
    }

    /// Stops checking a server, and cancels a check in progress.
    package func forget(_ server: ServerID) {
        state.withLock { $0.memberships.removeValue(forKey: server) }?.finish()
    }

    /// Runs checks until the task is canceled. May be called only once.
    package func run() async {
        await withDiscardingTaskGroup { group in
            for await subject in arrivals {
                group.addTask { await self.follow(subject) }
            }
            group.cancelAll()
        }
    }

    private func follow(_ subject: Subject) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in subject.membership {} }
            group.addTask { await self.check(subject) }
            await group.next()
            group.cancelAll()
        }
    }

    private func check(_ subject: Subject) async {
        let settings = subject.settings
        let target = settings.target(of: subject.address)
        // The seeds are mixed first: the generators of adjacent seeds would all return one sequence, each a few steps
        // further on in it.
        var seeds = SplitMix64(seed: seed &+ subject.ordinal)
        var numbers = SplitMix64(seed: seeds.next())
        var tally = Tally(settings)
        // The first check starts immediately, the second at a random point within its interval, so that the checks of
        // servers that were added together do not stay synchronized.
        var interval = settings.interval * Double.random(in: 0...1, using: &numbers)
        while !Task.isCancelled {
            var result: Result<Duration, HealthCheckFailure>?
            let spent = await clock.measure {
                result = await permits.with {
                    await probe(settings.check, target, settings.timeout, settings.preamble, subject.tls)
                }
            }
            guard let result, !Task.isCancelled else { return }
            report(tally.count(result, for: subject.server))
            try? await clock.sleep(for: max(HealthCheck.minInterval, interval - spent))
            interval = settings.nextInterval(using: &numbers)
        }
    }
}

/// Results of one server so far.
private struct Tally {
    private var counter: HealthCounter
    private var inARow = 0
    private var lastPassed: Bool?

    init(_ settings: HealthCheck) {
        counter = HealthCounter(rise: settings.rise, fall: settings.fall, initially: settings.initially)
    }

    mutating func count<ServerID>(
        _ result: Result<Duration, HealthCheckFailure>,
        for server: ServerID
    ) -> HealthReport<ServerID> {
        let passed = if case .success = result { true } else { false }
        inARow = passed == lastPassed ? min(inARow + 1, Int(Int32.max)) : 1
        lastPassed = passed
        let change = counter.observe(passed: passed)
        return HealthReport(
            server: server,
            result: result,
            state: counter.state,
            isChange: change != nil,
            inARow: inARow
        )
    }
}
