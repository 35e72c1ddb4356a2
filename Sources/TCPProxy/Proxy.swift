public import ServiceLifecycle
public import Sockets
import Synchronization

/// A TCP proxy: accepts connections at one address and relays each to an upstream, byte for byte, both ways.
///
///     let proxy = try await Proxy.bind("127.0.0.1:8080", to: "example.com:80")
///     print("Proxy listening on \(proxy.localAddress)")
///     try await proxy.run()          // until shut down or cancelled
///
/// Runs by itself, or as a `Service` in a ServiceLifecycle group, whose graceful shutdown then drains it.
public final class Proxy: Sendable {
    private enum Phase {
        case bound
        case running
        /// A shutdown came before it ran, and serves those who are connected already.
        case calledOff
        case ended
    }

    /// Where it listens, in the order of its listeners, port 0 resolved; ``change(listeners:pools:)`` may change it.
    public var localAddresses: [SocketAddress] { core.localAddresses }
    /// Where its first listener listens.
    public var localAddress: SocketAddress { localAddresses[0] }
    /// Where it forwards to, as it was given; nil if it was bound with pools.
    public let upstream: ServiceAddress?
    public let configuration: Configuration

    let core: ProxyCore
    private let phase = Mutex(Phase.bound)
    private let ready = Atomic(false)
    private let shutdowns: AsyncStream<Duration>
    private let requestShutdown: AsyncStream<Duration>.Continuation
    /// Closed connections when the first shutdown was asked for.
    private let beforeDrain = Mutex<(closed: Int, cut: Int)?>(nil)
    private let latest: Watch<MetricsSnapshot>

    /// How often ``snapshots`` has a new value.
    static let tick: Duration = .seconds(1)

    /// Listens at an address, for connections to an upstream.
    ///
    /// - Parameters:
    ///   - listen: `127.0.0.1:8080`, `[::1]:8080`, `:8080`, `localhost:8080` or `unix:/path`. Port 0 takes a free one.
    ///   - upstream: the same forms. A host name is resolved, and all its addresses are tried in turn.
    ///   - proxyProtocol: tells the upstream who the client is, ahead of its bytes; nil tells it nothing.
    ///   - configuration: all the rest.
    /// - Throws: ``ProxyError``, whose description is a sentence for the user.
    public static func bind(
        _ listen: String,
        to upstream: String,
        proxyProtocol: ProxyProtocolVersion? = nil,
        configuration: Configuration = Configuration()
    ) async throws(ProxyError) -> Proxy {
        let addresses: (ServiceAddress, ServiceAddress)
        do throws(AddressError) {
            addresses = (try ServiceAddress(parsing: listen), try ServiceAddress(parsing: upstream))
        } catch {
            throw .address(error)
        }
        return try await bind(
            addresses.0,
            to: addresses.1,
            proxyProtocol: proxyProtocol,
            configuration: configuration
        )
    }

    /// Listens at an address, for connections to an upstream.
    public static func bind(
        _ listen: ServiceAddress,
        to upstream: ServiceAddress,
        proxyProtocol: ProxyProtocolVersion? = nil,
        configuration: Configuration = Configuration()
    ) async throws(ProxyError) -> Proxy {
        try configuration.check()
        try configuration.checkSources()
        await SleepPreparation.done
        if let port = upstream.port, port == 0 {
            throw .badSetting(name: "the upstream's port", value: "0", allowed: "a port from 1 to 65535")
        }
        let addresses = try await Resolver.addresses(of: upstream)
        var pool = PoolConfiguration(upstream: "\(upstream)", at: addresses)
        pool.proxyProtocol = proxyProtocol
        let plan = try await CorePlan(
            listeners: [
                ListenerConfiguration(name: "\(listen)", address: listen, pool: pool.name, configuration: configuration)
            ],
            pools: [pool]
        )
        let core = try ProxyCore(plan, configuration: configuration)
        return Proxy(upstream: upstream, configuration: configuration, core: core)
    }

    /// Listens at several addresses, and spreads who connects over pools of servers.
    ///
    /// - Parameter configuration: what concerns the whole process: threads, limits, engine, shutdown.
    public static func bind(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        configuration: Configuration = Configuration()
    ) async throws(ProxyError) -> Proxy {
        try configuration.check()
        try checkCounts(listeners, pools)
        await SleepPreparation.done
        let plan = try await CorePlan(listeners: listeners, pools: pools)
        let core = try ProxyCore(plan, configuration: configuration)
        return Proxy(upstream: nil, configuration: configuration, core: core)
    }

    /// Has other listeners and pools from now on, and returns when all threads have.
    ///
    /// All new addresses are bound first; then each thread goes over to the new listeners and pools at one moment. No
    /// connection ends by it: each goes on with the settings that it began with, those of listeners and servers that are gone
    /// too. Listeners are told apart by their addresses, pools by their names, and servers by their addresses within their
    /// pools; of those that stay, all that is known and counted stays. Before ``run()`` it waits for that.
    ///
    /// - Returns: what was changed by it.
    /// - Throws: ``ProxyError``; then nothing has changed.
    @discardableResult
    public func change(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration]
    ) async throws(ProxyError) -> ProxyChange {
        try Self.checkCounts(listeners, pools)
        return try await core.change(listeners: listeners, pools: pools)
    }

    private static func checkCounts(
        _ listeners: [ListenerConfiguration],
        _ pools: [PoolConfiguration]
    ) throws(ProxyError) {
        func check(_ count: Int, _ what: String, _ most: Int) throws(ProxyError) {
            guard !(1...most).contains(count) else { return }
            throw .badSetting(name: "the number of \(what)", value: "\(count)", allowed: "1 to \(most)")
        }
        try check(listeners.count, "listeners", mostListeners)
        try check(pools.count, "pools", mostPools)
    }

    /// The most listeners of a proxy.
    public static var mostListeners: Int { 1024 }
    /// The most pools of a proxy.
    public static var mostPools: Int { 1024 }

    private init(upstream: ServiceAddress?, configuration: Configuration, core: ProxyCore) {
        self.upstream = upstream
        self.configuration = configuration
        self.core = core
        latest = Watch(core.snapshot())
        (shutdowns, requestShutdown) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(16))
    }

    // MARK: Running

    /// Serves until ``shutdown(grace:)`` has drained it, or its task is cancelled, which resets all connections.
    ///
    /// - Throws: ``ProxyError/alreadyRun`` when called a second time.
    public func run() async throws {
        switch start(as: .running) {
        case .bound:
            ready.store(true, ordering: .releasing)
            await withGracefulShutdownHandler {
                await serve()
            } onGracefulShutdown: {
                self.requestShutdown.yield(self.configuration.grace)
            }
            phase.withLock { $0 = .ended }
        case .calledOff:
            await core.join()
            phase.withLock { $0 = .ended }
        case .running, .ended:
            throw ProxyError.alreadyRun
        }
    }

    /// Starts the threads, unless they have been.
    ///
    /// - Returns: the phase that it was in until now.
    private func start(as next: Phase) -> Phase {
        phase.withLock { phase in
            let before = phase
            if case .bound = before {
                // All that it will ever do is to drain, so what ends from the first moment on counts as that.
                if case .calledOff = next { beforeDrain.withLock { $0 = core.closures } }
                // Under the lock, so that whoever finds it started finds threads to wait for.
                core.start()
                phase = next
            }
            return before
        }
    }

    /// From the start of the threads to their end.
    private func serve() async {
        await withTaskCancellationHandler {
            await withTaskGroup { group in
                group.addTask { await self.publishSnapshots() }
                group.addTask { await self.refreshAddresses() }
                group.addTask { await self.obeyShutdowns() }
                await core.join()
                group.cancelAll()
            }
        } onCancel: {
            core.post(.cut)
        }
        ready.store(false, ordering: .releasing)
        core.finish()
        latest.update(core.snapshot())
        latest.finish()
    }

    private func publishSnapshots() async {
        while (try? await Task.sleep(for: Self.tick)) != nil { latest.update(core.snapshot()) }
    }

    /// Keeps the upstream's addresses as its name has them. While the name cannot be resolved, those known before stay.
    private func refreshAddresses() async {
        guard let upstream, case .name = upstream, let interval = configuration.resolveInterval else { return }
        while (try? await Self.sleep(for: interval)) != nil {
            if let addresses = try? await Resolver.addresses(of: upstream) {
                // More servers than there are places for is no reason to forget those that are known.
                _ = try? await core.change(pool: 0, to: addresses.map(ServerConfiguration.init))
            }
        }
    }

    // MARK: Shutdown

    /// False before ``run()`` and from the moment a shutdown begins: what a readiness probe wants to know.
    public var isReady: Bool { ready.load(ordering: .acquiring) }

    /// Drains: readiness ends at once; after the configuration's drain delay listening ends; running connections go on to
    /// their own end or to that of the grace period, when what is left is reset.
    ///
    /// A second call while the first is under way may shorten the grace, and has no drain delay. A call before ``run()``
    /// serves those who have connected since it was bound, for they cannot know that nobody does yet.
    ///
    /// - Parameter grace: how long to wait for running connections; nil takes the configuration's.
    /// - Returns: how it went, when the proxy has ended.
    @discardableResult
    public func shutdown(grace: Duration? = nil) async -> DrainSummary {
        requestShutdown.yield(grace ?? configuration.grace)
        switch start(as: .calledOff) {
        case .bound: await serve()
        case .running, .calledOff, .ended: await core.join()
        }
        return drainSummary
    }

    /// How the shutdown went, or goes.
    public var drainSummary: DrainSummary {
        guard let before = beforeDrain.withLock({ $0 }) else { return DrainSummary(ended: 0, cut: 0) }
        let now = core.closures
        let cut = now.cut - before.cut
        return DrainSummary(ended: now.closed - before.closed - cut, cut: cut)
    }

    private func obeyShutdowns() async {
        await withDiscardingTaskGroup { group in
            var isFirst = true
            for await grace in shutdowns {
                let delay = isFirst ? configuration.drainDelay : .zero
                if isFirst {
                    beforeDrain.withLock { $0 = $0 ?? core.closures }
                    ready.store(false, ordering: .releasing)
                }
                isFirst = false
                group.addTask { await self.drain(delay: delay, grace: grace) }
            }
        }
    }

    private func drain(delay: Duration, grace: Duration) async {
        do {
            if delay > .zero { try await Self.sleep(for: delay) }
            core.stopAccepting()
            if grace > .zero { try await Self.sleep(for: grace) }
            core.post(.cut)
        } catch {
            // Cancelled: the last connection has ended before the time was over.
        }
    }

    /// Swift's own sleep traps on what is longer than it can count.
    private static func sleep(for duration: Duration) async throws {
        try await Task.sleep(for: min(duration, longestSleep))
    }

    private static let longestSleep: Duration = .seconds(1 << 30)

    // MARK: Metrics

    /// The figures now.
    public func snapshot() -> MetricsSnapshot { core.snapshot() }

    /// The figures of each listener, in their order.
    public func listenerSnapshots() -> [ListenerSnapshot] { core.listenerSnapshots() }

    /// The figures of each pool and its servers, in their order.
    public func poolSnapshots() -> [PoolSnapshot] { core.poolSnapshots() }

    /// What each client has done, running connections included: asks all workers.
    public func clients() async -> ClientsSnapshot { await core.clients() }

    /// The connections that a filter means, as they are now, the oldest first: asks all workers.
    ///
    /// - Parameter limit: how many to tell, ``ConnectionsSnapshot/limit`` at most; beyond it they are only counted.
    public func connections(_ filter: ConnectionFilter = ConnectionFilter(), limit: Int) async -> ConnectionsSnapshot {
        await core.connections(filter, limit: limit, cuts: false)
    }

    /// Resets the connections that a filter means.
    ///
    /// - Returns: how many.
    @discardableResult
    public func cutConnections(_ filter: ConnectionFilter) async -> Int {
        await core.connections(filter, limit: 0, cuts: true).total
    }

    /// What happens to connections from now on. Nothing is recorded while nobody iterates.
    public var events: MetricEvents { MetricEvents(hub: core.hub) }

    /// Takes records of connections that have ended since they were last taken, a bounded number: to be called until there
    /// are none. Kept only where ``Configuration/recordsConnections`` says so, as many of each worker as its ring holds.
    package func takeAccessRecords() -> [AccessRecord] { core.takeRecords() }

    /// Counts records that were taken and could not be written, with those that nobody took in time.
    package func countLostAccessRecords(_ count: Int) { core.countLostRecords(count) }

    /// The latest figures, at once and then each second.
    public var snapshots: MetricsSnapshots { MetricsSnapshots(watch: latest) }
}

extension Proxy: Service {}

// What the load balancer's control plane does with the pools of a proxy that runs.
extension Proxy {
    /// The pools that there are now, in the order of the configuration.
    package var pools: [PoolFacts] {
        core.pools.entries.map { entry in
            PoolFacts(number: entry.number, name: entry.configuration.name, policy: entry.configuration.policy)
        }
    }

    /// The servers of a pool, by the pool's number; none where it is gone.
    package func servers(ofPool pool: Int) -> [ServerFacts] {
        core.serverFacts(ofPool: pool)
    }

    /// Has new connections go to a server from now on, or not; and how many beside the others.
    ///
    /// - Parameters:
    ///   - weight: in the parts of `EffectiveWeight`.
    ///   - ordered: what somebody has ordered in place of the configured weight.
    /// - Returns: whether the pool's table is made of weights, and has to be made anew: ``refresh(pool:)``.
    package func set(
        _ server: ServerKey,
        _ state: ServerState,
        cause: String,
        weight: Int,
        ordered: Int? = nil
    ) -> Bool {
        let needsTable = core.pools.set(server, state, cause: cause, weight: weight, ordered: ordered)
        // Whoever waits for a place may find one now.
        core.post(.placeFree(pool: server.pool, asked: .max))
        return needsTable
    }

    /// Makes a pool's table anew, and returns when all workers have it.
    package func refresh(pool: Int) async {
        await core.refresh(pool: pool)
    }

    /// Resets the connections that a server has.
    package func cutConnections(to server: ServerKey) {
        core.post(.cutServer(server.id))
    }

    /// Gives a pool other servers, and returns when all workers know them. Servers that stay, by name and address, keep their
    /// connections, state and figures; those that go keep their connections.
    ///
    /// - Parameter isWanted: asked when it is this change's turn.
    /// - Returns: whether it was made: it was wanted, and the pool is there.
    /// - Throws: ``ProxyError/tooManyServers(limit:)``.
    package func change(
        pool: Int,
        to servers: [ServerConfiguration],
        ifStill isWanted: @Sendable () -> Bool
    ) async throws(ProxyError) -> Bool {
        try await core.change(pool: pool, to: servers, ifStill: isWanted)
    }
}

/// How a shutdown went.
public struct DrainSummary: Sendable, Equatable {
    /// Connections that came to their own end.
    public var ended: Int
    /// Connections that were reset when the grace was over.
    public var cut: Int

    public init(ended: Int, cut: Int) {
        self.ended = ended
        self.cut = cut
    }
}
