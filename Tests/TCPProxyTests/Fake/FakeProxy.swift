import EventLoop
import FakeSystem
import Relay
import Sockets
import Testing

@testable import TCPProxy

/// The whole data plane of a proxy in a fake world: its workers, which have their turns on this thread, and their
/// shared state.
///
/// Time passes only in ``advance(by:)``, and a worker gets a turn only if its wait would have returned.
final class FakeProxy {
    let world: FakeWorld
    let address: SocketAddress
    let servers: [FakeServer]
    let members: [Member]
    let mailboxes: [Mailbox<WorkerMessage>]
    let settings: WorkerSettings
    let memory: SharedMemory
    let pools: PoolRegistry
    let hub: EventHub

    /// Number of turns without time passing above which a worker counts as spinning.
    static let turnLimit = 100_000

    /// A worker and its fake system.
    final class Member {
        var worker: Worker<FakeSystem>
        let poller: FakePoller

        init(_ worker: consuming Worker<FakeSystem>, poller: FakePoller) {
            self.worker = worker
            self.poller = poller
        }

        var isDone: Bool { worker.isDone }
        var nextDeadline: Instant? { worker.nextDeadline }
        var connectionCount: Int { worker.sessions.count }
        /// Active timers, of connections and of the worker.
        var timersLeft: [Int] {
            (0..<worker.timers.capacity).filter { worker.timers.isScheduled($0) && $0 != worker.pipeTimer }
        }
        /// Number of buffers with bytes that a side has not accepted.
        var chunksTaken: Int { worker.buffers.chunks.taken }

        fileprivate func isDue(at now: Instant) -> Bool {
            guard !worker.isDone else { return false }
            return poller.hasEvents || worker.nextDeadline.map { $0 <= now } ?? false
        }
    }

    init(
        in world: FakeWorld,
        workers: Int,
        limit: Int,
        upstreams: [SocketAddress],
        pool: (inout PoolConfiguration) -> Void,
        names: [SNIRoute],
        protocols: [(name: ALPNProtocol, pool: Int16)],
        plainPool: Int16?,
        batching: BatchingPolicy,
        batch: Int = 256,
        configuration: SingleListenerSettings
    ) throws {
        self.world = world
        address = SocketAddress("127.0.0.1:8080")
        let routed = names.indices.map { SocketAddress("10.0.1.\($0 + 1):80") }
        servers = (upstreams + routed).map { world.serve($0) }
        var settings = WorkerSettings(configuration.process)
        settings.batching = batching
        self.settings = settings
        memory = SharedMemory(
            workers: workers,
            limit: limit,
            recordsConnections: configuration.recordsConnections
        )
        hub = EventHub(memory: memory)
        pools = PoolRegistry(memory)
        var servers = PoolConfiguration(upstream: "server", at: upstreams)
        pool(&servers)
        let others = zip(names, routed).map { PoolConfiguration(upstream: $0.pool, at: [$1]) }
        let plans = try pools.add([servers] + others)
        func route(_ pool: Int16, _ action: TLSAction = .terminate) -> TLSRoute {
            TLSRoute(pool: pool, context: action == .pass ? TLSRoute.pass : TLSRoute.byName)
        }
        var values: [(pattern: SNIPattern, value: TLSRoute)] = []
        for (number, entry) in names.enumerated() {
            values += entry.names.map { ($0, route(Int16(number + 1), entry.tls)) }
        }
        let tls = try configuration.listener.tls.map { tls throws(TLSError) in try ListenerTLSPlan(tls) }
        let routes =
            names.isEmpty && configuration.listener.tls?.unrouted != .pass
            ? nil
            : TLSRouter(
                protocols: protocols.map { ($0.name, route($0.pool)) },
                names: try SNIRoutingTable(values, otherwise: route(0, configuration.listener.tls?.unrouted ?? .pass)),
                plainPool: plainPool
            )
        let wakers = (0..<workers).map { _ in FakeWaker() }
        let mailboxes = wakers.map { Mailbox<WorkerMessage>(waker: $0) }
        self.mailboxes = mailboxes
        var members: [Member] = []
        for index in wakers.indices {
            var system = FakeSystem(in: world, batch: batch, waker: wakers[index], wakerToken: TokenKind.mailbox.only)
            let poller = system.poller
            let sharing: ListenOptions.Sharing = index == 0 ? .portOwner : .portMember
            let options = ListenOptions(sharing: sharing, backlog: configuration.backlog)
            let listener = try system.listen(at: address, options: options)
            var worker = Worker(
                index: index,
                system: system,
                settings: settings,
                shared: memory.shared(with: index, hub: hub, mailboxes: mailboxes)
            )
            worker.addListener(
                listener,
                settings: ListenerSettings(configuration.listener, pool: 0, routes: routes, tls: tls)
            )
            for (number, plan) in plans.enumerated() { worker.setPool(plan, at: number) }
            let member = Member(worker, poller: poller)
            #expect(member.worker.watchListeners() == nil)
            members.append(member)
        }
        self.members = members
    }

    subscript(index: Int) -> Member { members[index] }

    var server: FakeServer { servers[0] }

    // MARK: Time

    /// Runs one turn of a worker that is due.
    func turn(_ index: Int = 0) {
        members[index].worker.turn()
    }

    /// Whether a worker's wait would return now.
    func isDue(_ index: Int = 0) -> Bool { members[index].isDue(at: world.clock) }

    /// Runs everything that happens without time passing.
    func settle(at location: SourceLocation = #_sourceLocation) {
        var turns = 0
        var progressed = true
        while progressed {
            progressed = false
            for member in members where member.isDue(at: world.clock) {
                member.worker.turn()
                progressed = true
                turns += 1
                guard turns < Self.turnLimit else {
                    Issue.record("a worker is spinning", sourceLocation: location)
                    return
                }
            }
        }
    }

    /// Runs everything that happens within a duration.
    func advance(by duration: Duration, at location: SourceLocation = #_sourceLocation) {
        let target = world.clock + duration
        settle(at: location)
        while let next = nextMoment, next <= target {
            world.advance(to: next)
            settle(at: location)
        }
        world.advance(to: target)
        settle(at: location)
    }

    /// Lets a duration pass during which the process is stopped: no worker has a turn. Then runs what has become due.
    ///
    /// - Parameter isInterrupted: whether the first wait of each worker after that is interrupted, as by SIGCONT.
    func stop(for duration: Duration, isInterrupted: Bool = true, at location: SourceLocation = #_sourceLocation) {
        world.advance(to: world.clock + duration)
        if isInterrupted {
            world.faults.interruptedWaits = 1
            for member in members { member.worker.turn() }
            world.faults.interruptedWaits = 0
        }
        settle(at: location)
    }

    /// Runs everything that happens until a condition holds, which is checked at intervals.
    func advance(
        upTo limit: Duration,
        at location: SourceLocation = #_sourceLocation,
        until condition: () -> Bool
    ) {
        let end = world.clock + limit
        while !condition(), world.clock < end { advance(by: .milliseconds(100), at: location) }
    }

    /// When the next event happens without further calls; nil if everything sleeps forever.
    var nextMoment: Instant? {
        let deadlines = members.compactMap { $0.isDone ? nil : $0.nextDeadline }
        return (deadlines + [world.nextPlanned].compactMap { $0 }).min()
    }

    // MARK: Actions

    /// Connects a client.
    func connect(from source: PeerAddress? = nil, to member: Int? = nil) -> FakePeer {
        world.connect(to: address, from: source, member: member)
    }

    /// Connects a client; returns it and the server's end of its connection.
    func connectThrough(
        server: FakeServer? = nil,
        at location: SourceLocation = #_sourceLocation
    ) throws -> (client: FakePeer, server: FakePeer) {
        let server = server ?? self.server
        let before = server.connections.count
        let client = connect()
        settle(at: location)
        try #require(server.connections.count == before + 1, sourceLocation: location)
        return (client, server.connections[before])
    }

    func post(_ message: WorkerMessage, to member: Int? = nil) {
        for (index, mailbox) in mailboxes.enumerated() where member.map({ $0 == index }) ?? true {
            mailbox.post(message)
        }
    }

    /// Replaces the servers of the pool, as the control plane does.
    func change(to addresses: [SocketAddress]) throws {
        guard let plan = try pools.change(0, to: addresses.map(ServerConfiguration.init)) else { return }
        post(.pool(plan, at: 0, nil))
    }

    /// The state of a listener after a change.
    struct Wanted {
        var number: Int
        /// Where sockets are opened; nil if those of another listener number move here.
        var address: SocketAddress?
        var former = 0
        var settings: ListenerSettings
    }

    /// Replaces the workers' listeners and pools, as the control plane does.
    ///
    /// - Parameter indices: the workers that receive the message; all by default.
    func change(
        version: Int = 1,
        pools: [WorkerChange.Pool] = [],
        listeners: [Wanted] = [],
        closed: [Int] = [],
        on indices: [Int]? = nil
    ) throws -> CountdownLatch {
        let indices = indices ?? Array(members.indices)
        let acknowledgement = CountdownLatch(workers: indices.count)
        for index in indices {
            var begun: [WorkerChange.Listener] = []
            for listener in listeners {
                var source = WorkerChange.Listener.Source.moved(from: listener.former, nil)
                if let address = listener.address {
                    let options = ListenOptions(sharing: world.listens(at: address) ? .portMember : .portOwner)
                    source = .opened(try members[index].worker.system.listen(at: address, options: options).release())
                }
                let limits = listener.address == nil ? listener.former : listener.number
                begun.append(
                    .init(number: listener.number, source: source, settings: listener.settings, limits: limits)
                )
            }
            let change = WorkerChange(
                version: version,
                pools: pools,
                listeners: begun,
                closed: closed,
                latch: acknowledgement
            )
            post(.change(change), to: index)
        }
        return acknowledgement
    }

    // MARK: End

    /// Closes the remaining connections, and checks that no resource is left.
    func end(at location: SourceLocation) {
        post(.closeAll)
        settle(at: location)
        for member in members {
            member.worker.finish()
            #expect(member.isDone, sourceLocation: location)
            #expect(member.chunksTaken == 0, sourceLocation: location)
            #expect(member.timersLeft == [], sourceLocation: location)
        }
        #expect(world.openDescriptors == [], sourceLocation: location)
        #expect(world.problems == [], sourceLocation: location)
        #expect(active == 0, sourceLocation: location)
        #expect(memory.connectionLimiter.taken == 0, sourceLocation: location)
        let shares = pools.entries.flatMap(\.servers).map(\.share)
        #expect(shares.allSatisfy { $0.connections == 0 && !$0.isReferenced }, sourceLocation: location)
        #expect(pools.entries.allSatisfy { $0.share.waiting == 0 }, sourceLocation: location)
        #expect(closures.values.reduce(0, +) == total, sourceLocation: location)
        #expect(memory.limits[0].connections == 0, sourceLocation: location)
    }
}

/// Runs `body` with a proxy in a world of its own, and checks at the end that it leaves no resource behind.
///
/// - Parameters:
///   - limit: maximum number of connections.
///   - upstreams: number of servers; they are at 10.0.0.1:80, 10.0.0.2:80 and so on.
///   - names: pools of one server each, at 10.0.1.1:80 and so on, which come last among the proxy's servers.
///   - protocols: ALPN protocols offered by clients, with the numbers of these pools, from 1.
///   - plainPool: the pool for connections without TLS, by the same numbers.
///   - batch: maximum number of events of one wait.
func withProxy(
    workers: Int = 1,
    limit: Int = 64,
    upstreams: Int = 1,
    in world: FakeWorld = FakeWorld(),
    pool: (inout PoolConfiguration) -> Void = { _ in },
    names: [SNIRoute] = [],
    protocols: [(name: ALPNProtocol, pool: Int16)] = [],
    plainPool: Int16? = nil,
    batching: BatchingPolicy = BatchingPolicy(),
    batch: Int = 256,
    configure: (inout SingleListenerSettings) -> Void = { _ in },
    at location: SourceLocation = #_sourceLocation,
    _ body: (FakeProxy) throws -> Void
) throws {
    var configuration = SingleListenerSettings()
    // The same on each machine, whatever its limits.
    configuration.maxPipes = 8
    configure(&configuration)
    let proxy = try FakeProxy(
        in: world,
        workers: workers,
        limit: limit,
        upstreams: (1...upstreams).map { SocketAddress("10.0.0.\($0):80") },
        pool: pool,
        names: names,
        protocols: protocols,
        plainPool: plainPool,
        batching: batching,
        batch: batch,
        configuration: configuration
    )
    defer { proxy.end(at: location) }
    try body(proxy)
}
