import Relay
import Sockets
import Synchronization
import Workers

/// What stands behind a ``Proxy``: its workers, their threads, and the memory they share.
final class ProxyCore: Sendable {
    let hub: EventHub
    let pools: PoolRegistry
    private let memory: SharedMemory
    private let mailboxes: [Mailbox<WorkerMessage>]
    /// The workers, until their threads take them.
    private let workers: [Handover<Worker<LinuxSystem>>]
    private let threads = Mutex<[WorkerThread]>([])
    /// What workers that have ended knew of their clients, by their numbers.
    private let lastFigures = Mutex<[Int: ClientSweep.Part]>([:])
    /// Until they have been removed: from then on what stands at their paths is somebody else's.
    private let socketFiles: Mutex<[UnixSocketFile]>
    private let startedAt = ContinuousClock.now
    /// Held by who reads records.
    private let reading = Mutex<Void>(())
    /// Records that were taken, and could not be written.
    private let lostRecords = Atomic(0)
    private let descriptors = DescriptorCount()
    /// Where it listens, ports resolved.
    let localAddresses: [SocketAddress]
    private let listeners: [CorePlan.Listener]

    /// - Throws: what makes it impossible to listen there, or with this configuration.
    init(_ plan: CorePlan, configuration: Configuration) throws(ProxyError) {
        let memory = SharedMemory(
            workers: configuration.threads,
            limit: try configuration.connectionLimit(),
            recordsConnections: configuration.recordsConnections
        )
        let hub = EventHub(memory: memory)
        let systems = try Self.makeSystems(configuration.threads)
        let mailboxes = systems.map { Mailbox<WorkerMessage>(waker: $0.waker) }
        let pools = PoolRegistry(memory)
        let seed = UInt64.random(in: 0 ... .max)
        let poolPlans = try pools.add(plan.pools)
        var workers: [Handover<Worker<LinuxSystem>>] = []
        var listenings: [Listening] = []
        do throws(ProxyError) {
            for listener in plan.listeners { listenings.append(try Listening(listener)) }
            for (index, handover) in systems.enumerated() {
                var worker = Worker(
                    index: index,
                    system: handover.system.take()!,
                    settings: WorkerSettings(configuration),
                    shared: memory.shared(with: index, hub: hub, mailboxes: mailboxes, seed: seed)
                )
                for (number, plan) in poolPlans.enumerated() { worker.setPool(plan, at: number) }
                let error = worker.listen(through: &listenings)
                workers.append(Handover(worker))
                if let error { throw error }
            }
        } catch {
            Self.close(workers)
            for listening in listenings { listening.file?.remove() }
            throw error
        }
        self.memory = memory
        self.hub = hub
        self.pools = pools
        self.mailboxes = mailboxes
        self.workers = workers
        localAddresses = listenings.map(\.address)
        listeners = plan.listeners
        socketFiles = Mutex(listenings.compactMap(\.file))
    }

    deinit {
        // Those that no thread has taken.
        Self.close(workers)
        finish()
    }

    private struct MadeSystem {
        let system: Handover<LinuxSystem>
        let waker: LinuxWaker
    }

    private static func makeSystems(_ count: Int) throws(ProxyError) -> [MadeSystem] {
        var systems: [MadeSystem] = []
        for _ in 0..<count {
            do throws(SystemError) {
                let system = try LinuxSystem(wakerToken: TokenKind.mailbox.only)
                let waker = system.waker
                systems.append(MadeSystem(system: Handover(system), waker: waker))
            } catch {
                throw .system(error)
            }
        }
        return systems
    }

    // MARK: Threads

    /// Starts a thread for each worker.
    func start() {
        let started = workers.enumerated().map { index, handover in
            // The thread keeps this object, and with it the shared memory, for as long as it runs.
            WorkerThread.start(name: "proxy-\(index)") { [self] in
                guard var worker = handover.take() else { return }
                worker.run()
                lastFigures.withLock { $0[index] = worker.clientFigures() }
                worker.finish()
            }
        }
        threads.withLock { $0 = started }
    }

    /// Has all workers end listening, and then themselves.
    func stopAccepting() {
        // Nobody finds the way to a Unix socket from here on, as nobody begins a handshake with another.
        removeSocketFiles()
        post(.stopAccepting)
    }

    private func removeSocketFiles() {
        let files = socketFiles.withLock { files in
            defer { files = [] }
            return files
        }
        for file in files { file.remove() }
    }

    /// Returns when all workers have ended.
    func join() async {
        for thread in threads.withLock({ $0 }) { await thread.join() }
    }

    /// Gives a pool other servers, and returns when all workers know them.
    ///
    /// - Throws: ``ProxyError/tooManyServers(limit:)``.
    func change(pool number: Int, to servers: [ServerConfiguration]) async throws(ProxyError) {
        let plan = try pools.change(number, to: servers)
        let acknowledgement = Acknowledgement(workers: mailboxes.count)
        for mailbox in mailboxes where !mailbox.post(.pool(plan, at: number, acknowledgement)) {
            acknowledgement.report()
        }
        await acknowledgement.all()
        pools.collect()
    }

    /// Tells all workers something.
    func post(_ message: WorkerMessage) {
        for mailbox in mailboxes { mailbox.post(message) }
    }

    /// After the last worker: nothing will happen any more.
    func finish() {
        removeSocketFiles()
        hub.finish()
    }

    private static func close(_ workers: [Handover<Worker<LinuxSystem>>]) {
        for handover in workers {
            guard var worker = handover.take() else { continue }
            worker.closeListeners()
        }
    }

    // MARK: Figures

    /// Ended connections: all, and those that were cut.
    var closures: (closed: Int, cut: Int) {
        var closed = 0
        for page in memory.pages {
            for reason in CloseReason.allCases {
                for side in Side.allCases { closed += page[.closure(reason, side)] }
            }
        }
        return (closed, sum(.closure(.cut, .proxy)))
    }

    func snapshot() -> MetricsSnapshot {
        var snapshot = MetricsSnapshot()
        snapshot.activeConnections = memory.admission.active
        snapshot.totalConnections = memory.admission.total
        snapshot.bytesUpstream = sum(.bytesUpstream)
        snapshot.bytesDownstream = sum(.bytesDownstream)
        snapshot.bytesSplicedUpstream = sum(.splicedUpstream)
        snapshot.bytesSplicedDownstream = sum(.splicedDownstream)
        snapshot.pipesInUse = sum(.pipesInUse)
        snapshot.pipeRefusals = sum(.pipeRefusals)
        snapshot.refusedConnections = sum(.refused)
        for cause in ConnectFailure.allCases { snapshot.connectFailures[cause] = sum(.failure(cause)) }
        for reason in CloseReason.allCases {
            for side in Side.allCases {
                let count = sum(.closure(reason, side))
                if count > 0 { snapshot.closures[.init(reason: reason, side: side)] = count }
            }
        }
        for bucket in snapshot.connectTime.counts.indices {
            snapshot.connectTime.counts[bucket] = sum(.connectTime(bucket: bucket))
        }
        snapshot.connectTime.sum = .nanoseconds(sum(.connectNanoseconds))
        snapshot.bytesDiscardedUpstream = sum(.discardedUpstream)
        snapshot.bytesDiscardedDownstream = sum(.discardedDownstream)
        for cause in AcceptPause.allCases { snapshot.acceptPauses[cause] = sum(.pause(cause)) }
        snapshot.eventsDropped = sum(.eventsDropped)
        snapshot.accessRecordsDropped = sum(.recordsDropped) + lostRecords.load(ordering: .relaxed)
        snapshot.openDescriptors = descriptors.current
        snapshot.descriptorLimit = DescriptorLimit.current
        snapshot.maxConnections = memory.admission.limit
        snapshot.threads = memory.pages.count
        snapshot.uptime = ContinuousClock.now - startedAt
        return snapshot
    }

    private func sum(_ counter: Counter) -> Int {
        memory.pages.reduce(0) { $0 + $1[counter] }
    }

    private func sum<Figure>(_ figure: Figure, of row: Int, in tables: [FigureTable<Figure>]) -> Int {
        tables.reduce(0) { $0 + $1[row, figure] }
    }

    func listenerSnapshots() -> [ListenerSnapshot] {
        listeners.enumerated().map { number, listener in
            func sum(_ figure: ListenerFigure) -> Int { self.sum(figure, of: number, in: memory.listenerFigures) }
            return ListenerSnapshot(
                name: listener.name,
                address: localAddresses[number],
                pool: pools.entries[listener.settings.pool].configuration.name,
                activeConnections: sum(.opened) - sum(.closed),
                totalConnections: sum(.opened),
                refusedConnections: sum(.refused),
                deniedConnections: Dictionary(
                    uniqueKeysWithValues: DenialCause.allCases.map { ($0, sum(.denied($0))) }
                ),
                bytesUpstream: sum(.bytesUpstream),
                bytesDownstream: sum(.bytesDownstream)
            )
        }
    }

    func poolSnapshots() -> [PoolSnapshot] {
        pools.entries.enumerated().map { number, entry in
            func sum(_ figure: PoolFigure) -> Int { self.sum(figure, of: number, in: memory.poolFigures) }
            return PoolSnapshot(
                name: entry.configuration.name,
                policy: entry.configuration.policy,
                waiting: entry.share.waiting,
                queued: sum(.queued),
                queueTimeouts: sum(.queueTimeouts),
                queueOverflows: sum(.queueOverflows),
                retries: sum(.retries),
                servers: entry.servers.map(snapshot)
            )
        }
    }

    /// A figure of a server, summed over the workers.
    func figure(_ figure: ServerFigure, of server: PoolRegistry.Server) -> Int {
        sum(figure, of: server.share.id, in: memory.serverFigures)
    }

    func snapshot(of server: PoolRegistry.Server) -> ServerSnapshot {
        func sum(_ figure: ServerFigure) -> Int { self.figure(figure, of: server) }
        var connectTime = DurationHistogram()
        for bucket in connectTime.counts.indices { connectTime.counts[bucket] = sum(.connectTime(bucket: bucket)) }
        connectTime.sum = .nanoseconds(sum(.connectNanoseconds))
        var closures: [MetricsSnapshot.Closure: Int] = [:]
        for reason in CloseReason.allCases {
            for side in Side.allCases {
                let count = sum(.closure(reason, side))
                if count > 0 { closures[.init(reason: reason, side: side)] = count }
            }
        }
        return ServerSnapshot(
            configuration: server.configuration,
            state: server.state,
            cause: server.cause,
            connections: server.share.connections,
            connected: sum(.connected),
            connectFailures: Dictionary(uniqueKeysWithValues: ConnectFailure.allCases.map { ($0, sum(.failure($0))) }),
            failuresInARow: server.share.failuresInARow,
            connectTime: connectTime,
            bytesUpstream: sum(.bytesUpstream),
            bytesDownstream: sum(.bytesDownstream),
            closures: closures
        )
    }

    /// Takes what workers have recorded of connections that have ended, a bounded number; none where nobody asked for that.
    func takeRecords() -> [AccessRecord] {
        var records: [ConnectionRecord] = []
        reading.withLock { _ in
            for ring in memory.records ?? [] { ring.read(into: &records, limit: Self.recordsAtOnce) }
        }
        guard !records.isEmpty else { return [] }
        let converter = MomentConverter()
        let names = pools.entries.map(\.configuration.name)
        return records.map { record in
            AccessRecord(
                record,
                listener: listeners[Int(record.listener)].name,
                pool: names[Int(record.pool)],
                server: record.server.flatMap { pools.server($0)?.name },
                converter
            )
        }
    }

    /// Of each worker.
    private static let recordsAtOnce = 256

    func countLostRecords(_ count: Int) {
        lostRecords.add(count, ordering: .relaxed)
    }

    /// Asks all workers about their clients; those that have ended have left their last answers.
    func clients() async -> ClientsSnapshot {
        guard threads.withLock({ !$0.isEmpty }) else { return ClientsSnapshot() }
        let sweep = ClientSweep(workers: mailboxes.count)
        for (index, mailbox) in mailboxes.enumerated() where !mailbox.post(.sweep(sweep)) {
            sweep.report(lastFigures.withLock { $0[index] })
        }
        return ClientsSnapshot(await sweep.parts())
    }
}
