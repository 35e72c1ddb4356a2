import Relay
import Sockets
import Synchronization
import Workers

/// What stands behind a ``Proxy``: its workers, their threads, and the memory they share.
final class ProxyCore: Sendable {
    let localAddress: SocketAddress
    let hub: EventHub
    private let memory: SharedMemory
    private let mailboxes: [Mailbox<WorkerMessage>]
    /// The workers, until their threads take them.
    private let workers: [Handover<Worker<LinuxSystem>>]
    private let threads = Mutex<[WorkerThread]>([])
    /// What workers that have ended knew of their clients, by their numbers.
    private let lastFigures = Mutex<[Int: ClientSweep.Part]>([:])
    /// Until it has been removed: from then on what stands at its path is somebody else's.
    private let socketFile: Mutex<UnixSocketFile?>
    private let startedAt = ContinuousClock.now
    private let descriptors = DescriptorCount()

    /// - Throws: what makes it impossible to listen there, or with this configuration.
    init(
        listen: ServiceAddress,
        at local: SocketAddress,
        candidates: [RawAddress],
        configuration: Configuration
    ) throws(ProxyError) {
        let memory = SharedMemory(workers: configuration.threads, limit: try configuration.connectionLimit())
        let hub = EventHub(memory: memory)
        let systems = try Self.makeSystems(configuration.threads)
        let mailboxes = systems.map { Mailbox<WorkerMessage>(waker: $0.waker) }
        let settings = WorkerSettings(configuration)
        var listening = try Listening(at: local, named: listen, configuration: configuration)
        var workers: [Handover<Worker<LinuxSystem>>] = []
        do throws(ProxyError) {
            for (index, handover) in systems.enumerated() {
                var system = handover.system.take()!
                let listener = try listening.socket(on: &system)
                let shared = WorkerShared(
                    admission: memory.admission,
                    loads: memory.loads,
                    counters: memory.pages[index],
                    events: memory.rings[index],
                    hub: hub,
                    mailboxes: mailboxes
                )
                workers.append(
                    Handover(
                        Worker(
                            index: index,
                            system: system,
                            listener: listener,
                            candidates: candidates,
                            settings: settings,
                            shared: shared
                        )
                    )
                )
            }
        } catch {
            Self.close(workers)
            listening.file?.remove()
            throw error
        }
        self.memory = memory
        self.hub = hub
        self.mailboxes = mailboxes
        self.workers = workers
        localAddress = listening.address
        socketFile = Mutex(listening.file)
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
        removeSocketFile()
        post(.stopAccepting)
    }

    private func removeSocketFile() {
        socketFile.withLock { $0.take() }?.remove()
    }

    /// Returns when all workers have ended.
    func join() async {
        for thread in threads.withLock({ $0 }) { await thread.join() }
    }

    /// Tells all workers something.
    func post(_ message: WorkerMessage) {
        for mailbox in mailboxes { mailbox.post(message) }
    }

    /// After the last worker: nothing will happen any more.
    func finish() {
        removeSocketFile()
        hub.finish()
    }

    private static func close(_ workers: [Handover<Worker<LinuxSystem>>]) {
        for handover in workers {
            guard var worker = handover.take() else { continue }
            worker.closeListener()
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

/// The memory that workers share with each other and with their readers, freed with the last of these.
final class SharedMemory: Sendable {
    let admission: Admission
    let loads: WorkerLoads
    /// One for each worker.
    let pages: [CounterPage]
    let rings: [EventRing]

    init(workers: Int, limit: Int) {
        admission = Admission(limit: limit)
        loads = WorkerLoads(workers: workers)
        pages = (0..<workers).map { _ in CounterPage() }
        rings = (0..<workers).map { _ in EventRing() }
    }

    deinit {
        admission.free()
        loads.free()
        for page in pages { page.free() }
        for ring in rings { ring.free() }
    }
}
