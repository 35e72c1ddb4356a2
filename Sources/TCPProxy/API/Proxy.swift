import EventLoop
public import Sockets
import Synchronization
import TLS

/// A TCP proxy: accepts connections at one or more addresses and relays each to an upstream server, unmodified, in both
/// directions.
///
///     let proxy = try await Proxy.bind("127.0.0.1:8080", to: "example.com:80")
///     print("Proxy listening on \(proxy.localAddress)")
///     try await proxy.run()          // until shut down or cancelled
///
/// In a group of swift-service-lifecycle it runs as a `DrainingService` of the library TCPProxyService.
public final class Proxy: Sendable {
    private enum Phase {
        case bound
        case running
        /// Shut down before ``Proxy/run()``: serves only the connections that clients have already established.
        case isCanceled
        case ended
    }

    /// Addresses of the listeners, in the order of the listeners, with port 0 replaced by the actual port;
    /// ``change(listeners:pools:)`` may change them.
    public var localAddresses: [SocketAddress] { core.localAddresses }
    /// Address of the first listener.
    public var localAddress: SocketAddress { localAddresses[0] }
    /// Addresses of listeners for all interfaces that listen only on those of IPv4, because IPv6 is not available.
    package var ipv4OnlyAddresses: [SocketAddress] {
        core.listeners.entries.filter { $0.plan.address.isReplaced(by: $0.address) }.map(\.address)
    }
    /// Upstream address as passed to `bind`; nil if the proxy was bound with pools.
    public let upstream: ServiceAddress?
    /// Settings of the whole process, as passed to `bind`.
    public let configuration: ProxyConfiguration

    let core: ProxyRuntime
    private let lookUp: UpstreamLookup
    private let phase = Mutex(Phase.bound)
    private let ready = Atomic(false)
    private let shutdowns: AsyncStream<Duration>
    private let requestShutdown: AsyncStream<Duration>.Continuation
    /// Counts of closed connections when the first shutdown was requested.
    private let beforeDrain = Mutex<(closed: Int, forced: Int)?>(nil)
    private let latest: LatestValue<MetricsSnapshot>
    private let beforeListenersClose = Mutex<(@Sendable () async -> Void)?>(nil)

    /// Interval at which ``snapshots`` yields a new value.
    static let tick: Duration = .seconds(1)

    /// Replaces the listeners and pools, and returns when all worker threads use the new ones.
    ///
    /// Binds all new addresses first; then each worker switches to the new listeners and pools in one step. No
    /// connection is closed: each keeps the settings it was opened with, even if its listener or server is removed.
    /// Listeners are identified by address, pools by name, and servers by address within their pool; those that remain
    /// keep their state and counters. If called before ``run()``, the call returns only after ``run()`` has started the
    /// workers.
    ///
    /// - Returns: the differences between the old and the new listeners and pools.
    /// - Throws: ``ProxyError``; nothing has changed in that case.
    @discardableResult
    public func change(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration]
    ) async throws(ProxyError) -> ProxyChange {
        try Self.checkCounts(listeners, pools)
        return try await core.change(listeners: listeners, pools: pools)
    }

    /// Resolution of an upstream's name.
    package typealias UpstreamLookup = @Sendable (ServiceAddress) async throws(ProxyError) -> [SocketAddress]

    init(
        upstream: ServiceAddress?,
        configuration: ProxyConfiguration,
        core: ProxyRuntime,
        lookUp: @escaping UpstreamLookup = Resolver.addresses
    ) {
        self.lookUp = lookUp
        self.upstream = upstream
        self.configuration = configuration
        self.core = core
        latest = LatestValue(core.snapshot())
        (shutdowns, requestShutdown) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(16))
    }

    // MARK: Running

    /// Serves connections until ``shutdown(grace:)`` has drained the proxy. Cancelling the task resets all connections.
    ///
    /// - Throws: ``ProxyError/alreadyRun`` if called a second time.
    public func run() async throws {
        switch start(as: .running) {
        case .bound:
            ready.store(true, ordering: .releasing)
            await serve()
            phase.withLock { $0 = .ended }
        case .isCanceled:
            await core.join()
            phase.withLock { $0 = .ended }
        case .running, .ended:
            throw ProxyError.alreadyRun
        }
    }

    /// Starts the threads unless they have been started.
    ///
    /// - Returns: the previous phase.
    private func start(as next: Phase) -> Phase {
        phase.withLock { phase in
            let before = phase
            if case .bound = before {
                // This proxy only drains, so every connection closed from now on counts as part of the drain.
                if case .isCanceled = next { beforeDrain.withLock { $0 = core.closures } }
                // Under the lock, so that a caller that sees a later phase finds threads to join.
                core.start()
                phase = next
            }
            return before
        }
    }

    /// Runs the background tasks until all worker threads have ended.
    private func serve() async {
        await withTaskCancellationHandler {
            await withTaskGroup { group in
                group.addTask { await self.publishSnapshots() }
                group.addTask { await self.refreshAddresses() }
                group.addTask { await self.handleShutdowns() }
                await core.join()
                group.cancelAll()
            }
        } onCancel: {
            core.post(.closeAll)
        }
        ready.store(false, ordering: .releasing)
        core.finish()
        latest.update(core.snapshot())
        latest.finish()
    }

    private func publishSnapshots() async {
        while (try? await Task.sleep(for: Self.tick)) != nil { latest.update(core.snapshot()) }
    }

    /// Keeps the upstream's addresses up to date with DNS. If resolution fails, the known addresses stay in use.
    private func refreshAddresses() async {
        guard let upstream, case .name = upstream, let interval = configuration.resolveInterval else { return }
        while (try? await Self.sleep(for: interval)) != nil {
            if let addresses = try? await lookUp(upstream) {
                // If there are more servers than fit in the table, the known ones stay in use.
                _ = try? await core.change(pool: 0, to: addresses.map(ServerConfiguration.init))
            }
        }
    }

    // MARK: Shutdown

    /// Whether the proxy accepts connections: false before ``run()`` and as soon as a shutdown begins. For readiness
    /// checks.
    public var isReady: Bool { ready.load(ordering: .acquiring) }

    /// Drains the proxy and returns when it has ended.
    ///
    /// ``isReady`` becomes false immediately. After the configured drain delay, the listeners are closed. Open
    /// connections may complete during the grace period; those that remain are then reset.
    ///
    /// A second call during a shutdown may shorten the grace period and skips the drain delay. A call before ``run()``
    /// serves the connections established since `bind`, because their clients cannot know that they have not been
    /// accepted yet.
    ///
    /// - Parameter grace: how long to wait for open connections; nil takes the value of the configuration.
    /// - Returns: how many connections completed and how many were reset.
    @discardableResult
    public func shutdown(grace: Duration? = nil) async -> DrainSummary {
        requestShutdown.yield(grace ?? configuration.grace)
        switch start(as: .isCanceled) {
        case .bound: await serve()
        case .running, .isCanceled, .ended: await core.join()
        }
        return drainSummary
    }

    /// Begins to drain the proxy like ``shutdown(grace:)``, without waiting; ``run()`` returns when the proxy has ended.
    /// Before ``run()`` the call takes effect when it starts.
    ///
    /// - Parameter grace: how long to wait for open connections; nil takes the value of the configuration.
    public func beginShutdown(grace: Duration? = nil) {
        requestShutdown.yield(grace ?? configuration.grace)
    }

    /// Result of the shutdown so far; all zero before a shutdown.
    public var drainSummary: DrainSummary {
        guard let before = beforeDrain.withLock({ $0 }) else { return DrainSummary(ended: 0, forced: 0) }
        let now = core.closures
        let forced = now.forced - before.forced
        return DrainSummary(ended: now.closed - before.closed - forced, forced: forced)
    }

    private func handleShutdowns() async {
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

    /// Sets work to do when a shutdown is about to close the listeners; they are closed when it has returned. It may be
    /// called again if the shutdown is requested again.
    package func onListenersClosing(_ work: @escaping @Sendable () async -> Void) {
        beforeListenersClose.withLock { $0 = work }
    }

    private func drain(delay: Duration, grace: Duration) async {
        do {
            if delay > .zero { try await Self.sleep(for: delay) }
            if let work = beforeListenersClose.withLock(\.self) { await work() }
            core.stopAccepting()
            if grace > .zero { try await Self.sleep(for: grace) }
            core.post(.closeAll)
        } catch {
            // Cancelled: the last connection closed before the time was over.
        }
    }

    /// `Task.sleep` traps on durations that overflow its internal representation.
    private static func sleep(for duration: Duration) async throws {
        try await Task.sleep(for: min(duration, maxSleep))
    }

    private static let maxSleep: Duration = .seconds(1 << 30)

    // MARK: Metrics

    /// Returns the current metrics, summed over all workers.
    public func snapshot() -> MetricsSnapshot { core.snapshot() }

    /// Returns the current metrics of each listener, in the order of the listeners.
    public func listenerSnapshots() -> [ListenerSnapshot] { core.listenerSnapshots() }

    /// Returns the certificates of each listener with TLS, in the order of the listeners.
    public func certificateSnapshots() -> [CertificateSnapshot] { core.certificateSnapshots() }

    /// Returns the current metrics of each pool and its servers, in the order of the pools.
    public func poolSnapshots() -> [PoolSnapshot] { core.poolSnapshots() }

    /// Collects the statistics of each client address, including open connections, from all workers.
    public func clients() async -> ClientsSnapshot { await core.clients() }

    /// Collects the current connections that match a filter from all workers, the oldest first.
    ///
    /// - Parameters:
    ///   - filter: the connections to return.
    ///   - limit: maximum number of connections to return, at most ``ConnectionsSnapshot/limit``; further connections
    ///     are only counted.
    public func connections(_ filter: ConnectionFilter = ConnectionFilter(), limit: Int) async -> ConnectionsSnapshot {
        await core.connections(filter, limit: limit, closes: false)
    }

    /// Resets the connections that match a filter.
    ///
    /// - Returns: the number of connections that were reset.
    @discardableResult
    public func closeConnections(_ filter: ConnectionFilter) async -> Int {
        await core.connections(filter, limit: 0, closes: true).total
    }

    /// Events of connections, from the start of the iteration on. No events are recorded while there is no iterator.
    public var events: MetricEvents { MetricEvents(hub: core.hub) }

    /// Returns examples of connections that listeners have denied since the last call, at least one; returns none if the
    /// task is cancelled or the proxy has ended. ``listenerSnapshots()`` has the exact counts.
    package func nextDenials() async -> [DeniedConnection] {
        await core.hub.nextDenials().map { denial in
            DeniedConnection(
                client: denial.client,
                listener: core.listeners.name(ofListener: Int(denial.listener)),
                cause: denial.cause,
                isDryRun: denial.isDryRun,
                detail: denial.tlsFailure == 0 ? nil : "\(TLSFailure(code: denial.tlsFailure))"
            )
        }
    }

    /// Takes a bounded number of records of connections that have closed since the last call; call it until it returns
    /// none. Records exist only if ``ProxyConfiguration/recordsConnections`` is set, and each worker keeps at most as many
    /// as its ring holds.
    package func takeAccessRecords() -> [AccessRecord] { core.takeRecords() }

    /// Counts records that were taken but could not be written as dropped, like those that were not taken in time.
    package func countLostAccessRecords(_ count: Int) { core.countLostRecords(count) }

    /// Metrics as a sequence: the latest value immediately, then one each second.
    public var snapshots: MetricsSnapshots { MetricsSnapshots(watch: latest) }
}

// Interface of the load balancer's control plane to the pools of a running proxy.
extension Proxy {
    /// Current pools, in the order of the configuration.
    package var pools: [PoolInfo] { core.pools.entries.map(PoolInfo.init) }

    /// Returns the pool with a number; nil if it has been removed.
    package func pool(_ number: Int) -> PoolInfo? { core.pools.entry(number).map(PoolInfo.init) }

    /// Number of changes of pools and servers so far: while it is the same, so are ``pools``, and the servers with their
    /// configuration.
    package var poolsVersion: Int { core.pools.version }

    /// Returns the number of connection attempts to the servers of a pool since they were added: while it is the same,
    /// so are the numbers in their ``ServerInfo``. Takes far less time than reading those.
    package func attempts(ofPool pool: Int) -> Int { core.pools.attempts(ofPool: pool) }

    /// Returns the servers of the pool with a number; empty if the pool has been removed.
    package func servers(ofPool pool: Int) -> [ServerInfo] {
        core.serverInfo(ofPool: pool)
    }

    /// Sets whether new connections go to a server, and its weight relative to the other servers.
    ///
    /// - Parameters:
    ///   - weight: effective weight, in units of `EffectiveWeight`.
    ///   - ordered: weight set by an administrator in place of the configured one.
    /// - Returns: whether the pool's selection table depends on weights and must be rebuilt with ``refresh(pool:)``.
    package func set(
        _ server: ServerKey,
        _ state: ServerState,
        cause: String,
        weight: Int,
        ordered: Int? = nil
    ) -> Bool {
        let needsTable = core.pools.set(server, state, cause: cause, weight: weight, ordered: ordered)
        // A queued connection may be able to get a slot now.
        if core.pools.hasWaiting(server.pool) { core.post(.slotReleased(pool: server.pool, asked: .all)) }
        return needsTable
    }

    /// Rebuilds the selection table of a pool, and returns when all workers use it.
    package func refresh(pool: Int) async {
        await core.refresh(pool: pool)
    }

    /// Replaces the listeners and pools like ``change(listeners:pools:)``; servers that are added begin in the state
    /// that the closure returns.
    package func change(
        listeners: [ListenerConfiguration],
        pools: [PoolConfiguration],
        initial: @escaping InitialServerStates
    ) async throws(ProxyError) -> ProxyChange {
        try Self.checkCounts(listeners, pools)
        return try await core.change(listeners: listeners, pools: pools, initial: initial)
    }

    /// Replaces TLS of listeners and pools by their names, and nothing else. Connections keep the certificates they began
    /// with. Names that no longer exist or have no TLS are ignored.
    package func change(
        listenerTLS: [String: ListenerTLS],
        poolTLS: [String: PoolTLS]
    ) async throws(ProxyError) -> ProxyChange {
        try await core.change(listenerTLS: listenerTLS, poolTLS: poolTLS)
    }

    /// Counts that certificates were read again because their files had changed.
    package func countCertificateReload(succeeded: Bool) {
        if succeeded {
            core.certificateReloads.add(1, ordering: .relaxed)
        } else {
            core.failedCertificateReloads.add(1, ordering: .relaxed)
        }
    }

    /// Resets the connections to a server.
    package func closeConnections(to server: ServerKey) {
        core.post(.closeConnections(to: server.id))
    }

    /// Closes a share of the connections to a server, those that have been idle the longest, with a FIN to both sides.
    ///
    /// - Parameter percent: share of all connections to the server, 0 to 100, rounded up.
    /// - Returns: the number of connections closed: fewer if bytes were on their way.
    package func closeIdleConnections(to server: ServerKey, percent: Int) async -> Int {
        await core.closeIdleConnections(of: server, percent: percent)
    }

    /// Replaces the servers of a pool, and returns when all workers use them. Servers that remain, identified by
    /// address, keep their connections, state and counters; connections to removed servers stay open. If several
    /// servers have the same address, the name distinguishes them.
    ///
    /// - Parameters:
    ///   - initial: determines the state of the servers that are added.
    ///   - isWanted: called when the change is next in turn; the change is skipped if it returns false.
    /// - Returns: whether the change was made: false if it was skipped or the pool has been removed.
    /// - Throws: ``ProxyError/tooManyServers(limit:)``.
    package func change(
        pool: Int,
        to servers: [ServerConfiguration],
        initial: @escaping InitialServerStates = { server, _ in InitialServerState(server) },
        ifStill isWanted: @Sendable () -> Bool
    ) async throws(ProxyError) -> Bool {
        try await core.change(pool: pool, to: servers, initial: initial, ifStill: isWanted)
    }
}

/// Result of a shutdown.
public struct DrainSummary: Sendable, Equatable {
    /// Number of connections that completed.
    public var ended: Int
    /// Number of connections that were reset when the grace period was over.
    public var forced: Int

    /// Creates a summary.
    public init(ended: Int, forced: Int) {
        self.ended = ended
        self.forced = forced
    }
}
