import Relay
import Sockets
import Synchronization
import Workers

/// What stands behind a ``Proxy``: its workers, their threads, and the memory they share.
final class ProxyCore: Sendable {
    let hub: EventHub
    let pools: PoolRegistry
    let listeners: ListenerRegistry
    let memory: SharedMemory
    let mailboxes: [Mailbox<WorkerMessage>]
    /// The workers, until their threads take them.
    private let workers: [Handover<Worker<LinuxSystem>>]
    let threads = Mutex<[WorkerThread]>([])
    /// What workers that have ended knew of their clients, by their numbers.
    let lastFigures = Mutex<[Int: ClientSweep.Part]>([:])
    /// One change after the other.
    let changes = Turns()
    /// Set when listening is to end: from then on nothing changes, and what stands at the paths of Unix sockets is somebody
    /// else's.
    let isEnding = Mutex(false)
    let startedAt = ContinuousClock.now
    /// Held by who reads records.
    let reading = Mutex<Void>(())
    /// Records that were taken, and could not be written.
    let lostRecords = Atomic(0)
    let descriptors = DescriptorCount()
    /// How many changes of listeners and pools there have been.
    let version = Mutex(0)

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
        listeners = ListenerRegistry(memory, plan.listeners, listenings)
    }

    /// Where it listens, ports resolved.
    var localAddresses: [SocketAddress] { listeners.entries.map(\.address) }

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
        isEnding.withLock { isEnding in
            guard !isEnding else { return }
            isEnding = true
            for entry in listeners.entries { entry.file?.remove() }
        }
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
        removeSocketFiles()
        hub.finish()
    }

    private static func close(_ workers: [Handover<Worker<LinuxSystem>>]) {
        for handover in workers {
            guard var worker = handover.take() else { continue }
            worker.closeListeners()
        }
    }
}
