/// How often a name is looked up anew.
public struct NameWatch: Hashable, Sendable {
    /// At the latest after this; sooner when the answer's own time is shorter.
    public var interval: Duration
    /// At the earliest after this, whatever the answer says and whoever asks for it.
    public var shortest: Duration
    /// By which share of itself the time between may be shorter or longer, 0 to 1.
    public var jitter: Double

    public init(interval: Duration = .seconds(30), shortest: Duration = .seconds(1), jitter: Double = 0.1) {
        self.interval = interval
        self.shortest = shortest
        self.jitter = jitter
    }
}

/// What a look-up has changed.
public struct NameReport: Hashable, Sendable {
    /// All servers that the name stands for, in order of priority. Never empty but before the first look-up that succeeded.
    public let servers: [ResolvedServer]
    /// What they were before; the same where only the failure is news.
    public let previous: [ResolvedServer]
    /// Why the name could not be looked up, or not in full; nil when it could.
    public let failure: NameFailure?

    public var hasChange: Bool { servers != previous }
    public var added: [ResolvedServer] {
        servers.filter { server in !previous.contains { $0.address == server.address } }
    }
    public var removed: [ResolvedServer] {
        previous.filter { server in !servers.contains { $0.address == server.address } }
    }
}

/// Looks a name up again and again, and tells when the servers change that it stands for.
///
/// While it cannot be looked up, or gives nothing, the servers stay what they were: a mistake in a zone, or a name server
/// that is down, must not take a pool's servers away.
public final class NameWatcher: Sendable {
    public let address: ServerAddress
    private let settings: NameWatch
    private let clock: any Clock<Duration>
    private let lookup: NameLookup
    private let bell = Bell()

    /// - Parameter clock: what intervals are measured by.
    public convenience init(
        _ address: ServerAddress,
        resolver: NameResolver,
        settings: NameWatch = NameWatch(),
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.init(address, lookup: NameLookup(resolver), settings: settings, clock: clock)
    }

    init(_ address: ServerAddress, lookup: NameLookup, settings: NameWatch, clock: any Clock<Duration>) {
        self.address = address
        self.lookup = lookup
        self.settings = settings
        self.clock = clock
    }

    /// Has the name looked up as soon as it may be: to be called when one of its servers could not be reached.
    public func refresh() {
        bell.ring()
    }

    /// Looks up until the task is cancelled. To be called once.
    ///
    /// - Parameter report: hears of each change of the servers, and of each change of what is wrong with the name; the first
    ///   look-up is always told. In order, and never twice at once.
    public func run(report: @Sendable (NameReport) -> Void) async {
        var lookup = lookup
        var servers: [ResolvedServer] = []
        var failure: NameFailure?
        var failures = 0
        var isFirst = true
        while !Task.isCancelled {
            let outcome = await lookup.servers(of: address)
            guard !Task.isCancelled else { return }
            let found = outcome.servers.isEmpty ? servers : outcome.servers
            if isFirst || found != servers || outcome.failure != failure {
                report(NameReport(servers: found, previous: servers, failure: outcome.failure))
            }
            (servers, failure, isFirst) = (found, outcome.failure, false)
            failures = failure == nil ? 0 : failures + 1
            await pause(outcome.timeToLive, failures: failures)
        }
    }

    private func pause(_ timeToLive: Duration?, failures: Int) async {
        if case .socket = address {
            // It stands for itself for ever.
            try? await clock.sleep(for: .seconds(Int64(Int32.max)))
            return
        }
        var time = min(
            max(timeToLive ?? settings.interval, settings.shortest),
            max(settings.interval, settings.shortest)
        )
        if failures > 0 {
            // Sooner than usual, but ever more rarely: what is broken may be so for long.
            let doubled = settings.shortest * (1 << min(failures - 1, Self.doublingLimit))
            time = min(doubled, max(settings.interval, settings.shortest))
        }
        let spread = settings.jitter.isFinite ? min(max(settings.jitter, 0), 1) : 0
        time = max(settings.shortest, time * Double.random(in: (1 - spread)...(1 + spread)))
        try? await clock.sleep(for: settings.shortest)
        guard !Task.isCancelled else { return }
        let rest = time - settings.shortest
        await withTaskGroup(of: Void.self) { [clock, bell] group in
            group.addTask { try? await clock.sleep(for: rest) }
            group.addTask { await bell.wait() }
            await group.next()
            group.cancelAll()
        }
    }

    private static let doublingLimit = 20
}
