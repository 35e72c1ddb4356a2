import Balancing
public import Sockets
import Synchronization

/// Checks servers, each at its own interval, and tells what it finds.
///
/// No two checks of a server run at once, and no more than a limit of all together: a check whose turn it is waits for its
/// place, which delays it and nothing else.
public final class HealthMonitor<ServerID: Hashable & Sendable>: Sendable {
    public typealias ProbeFunction =
        @Sendable (Check, SocketAddress, _ timeout: Duration, _ preamble: [UInt8]) async -> Result<
            Duration, ProbeFailure
        >

    private struct Subject: Sendable {
        let server: ServerID
        let address: SocketAddress
        let settings: HealthCheck
        let ordinal: UInt64
        /// Ends when the server is to be checked no longer.
        let membership: AsyncStream<Never>
    }

    private struct State {
        var memberships: [ServerID: AsyncStream<Never>.Continuation] = [:]
        var nextOrdinal: UInt64 = 0
    }

    /// So many checks of all servers together run at once, unless somebody says otherwise.
    public static var usualCheckLimit: Int { 64 }

    private let permits: Permits
    private let clock: any Clock<Duration>
    private let seed: UInt64
    private let probe: ProbeFunction
    private let report: @Sendable (HealthReport<ServerID>) -> Void
    private let state = Mutex(State())
    private let arrivals: AsyncStream<Subject>
    private let arrive: AsyncStream<Subject>.Continuation

    /// - Parameters:
    ///   - checkLimit: how many checks run at once, at least 1.
    ///   - clock: what intervals are measured by.
    ///   - seed: of the jitter.
    ///   - probe: makes a check; ``Probe/run(_:at:timeout:preamble:)`` but in tests.
    ///   - report: hears each check's result, in order for each server, on any thread. It must not block. A server that was
    ///     just forgotten may still be reported once.
    public init(
        checkLimit: Int = usualCheckLimit,
        clock: any Clock<Duration> = ContinuousClock(),
        seed: UInt64 = .random(in: 0 ... .max),
        probe: @escaping ProbeFunction = { await Probe.run($0, at: $1, timeout: $2, preamble: $3) },
        report: @escaping @Sendable (HealthReport<ServerID>) -> Void
    ) {
        permits = Permits(checkLimit)
        self.clock = clock
        self.seed = seed
        self.probe = probe
        self.report = report
        (arrivals, arrive) = AsyncStream.makeStream()
    }

    /// Has a server checked from now on, or otherwise than before: then its count begins anew.
    public func watch(_ server: ServerID, at address: SocketAddress, by settings: HealthCheck) {
        let (membership, end) = AsyncStream<Never>.makeStream()
        state.withLock { state in
            state.memberships.updateValue(end, forKey: server)?.finish()
            // Within the lock, so that subjects arrive in the order of their memberships.
            arrive.yield(
                Subject(
                    server: server,
                    address: address,
                    settings: settings,
                    ordinal: state.nextOrdinal,
                    membership: membership
                )
            )
            state.nextOrdinal += 1
        }
    }

    /// Has a server checked no longer. A check that is running is broken off.
    public func forget(_ server: ServerID) {
        state.withLock { $0.memberships.removeValue(forKey: server) }?.finish()
    }

    /// Checks until the task is cancelled. To be called once.
    public func run() async {
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
        // Numbers of neighbouring seeds are far apart only when the seeds have been mixed: else every server would have the
        // same sequence, and be only some steps further on in it.
        var seeds = RandomNumbers(seed: seed &+ subject.ordinal)
        var numbers = RandomNumbers(seed: seeds.next())
        var tally = Tally(settings)
        // The first check is made at once. The second comes anywhere within its interval, so that servers that were added
        // together are not checked together ever after.
        var interval = settings.interval * Double.random(in: 0...1, using: &numbers)
        while !Task.isCancelled {
            var result: Result<Duration, ProbeFailure>?
            let spent = await clock.measure {
                result = await permits.with { await probe(settings.check, target, settings.timeout, settings.preamble) }
            }
            guard let result, !Task.isCancelled else { return }
            report(tally.count(result, for: subject.server))
            try? await clock.sleep(for: max(HealthCheck.shortestInterval, interval - spent))
            interval = settings.nextInterval(using: &numbers)
        }
    }
}

/// A server's results so far.
private struct Tally {
    private var counter: HealthCounter
    private var inARow = 0
    private var lastPassed: Bool?

    init(_ settings: HealthCheck) {
        counter = HealthCounter(rise: settings.rise, fall: settings.fall, initially: settings.initially)
    }

    mutating func count<ServerID>(
        _ result: Result<Duration, ProbeFailure>,
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
