import EventLoop
import ProcessSupport
import Relay
import Sockets
import Synchronization

/// Implementation of a ``Proxy``: its workers, their threads, and the memory they share.
final class ProxyRuntime: Sendable {
    let hub: EventHub
    let pools: PoolRegistry
    let listeners: ListenerRegistry
    let memory: SharedMemory
    let mailboxes: [Mailbox<WorkerMessage>]
    /// Workers, until their threads take them.
    private let workers: [TransferBox<Worker<LinuxSystem>>]
    /// Threads of the workers, created in advance, so that clients do not connect to a proxy that has no thread.
    private let parked: [ParkedThread]
    private let configuration: ProxyConfiguration
    let threads = Mutex<[WorkerThread]>([])
    /// Final client statistics of workers that have ended, by worker number.
    let lastStatistics = Mutex<[Int: ClientAnswer]>([:])
    /// Serializes configuration changes.
    let changes = AsyncSemaphore(1)
    /// Set when the listeners are about to be closed. From then on, changes are rejected, and a file at the path of a
    /// Unix socket may belong to another process.
    let isEnding = Mutex(false)
    /// The sockets of the service manager, until accepting ends: a reload may need them again.
    let inheritedSockets: Mutex<[InheritedSocket]>
    let startedAt = ContinuousClock.now
    /// Held while records are read: each ring allows one reader.
    let reading = Mutex<Void>(())
    /// Number of records that were taken but could not be written.
    let lostRecords = Atomic(0)
    /// Number of times that certificates were read again because their files had changed: used, and not usable.
    let certificateReloads = Atomic(0)
    let failedCertificateReloads = Atomic(0)
    let descriptors = DescriptorCount()
    /// Number of changes of listeners and pools so far.
    let version = Mutex(0)

    /// Creates the workers and opens their listening sockets; the threads start in ``start()``.
    ///
    /// - Parameter inherited: sockets of the service manager by the names of their listeners. Owned unless the call throws.
    /// - Throws: ``ProxyError`` if a listener cannot be opened or the configuration does not fit the machine.
    init(
        _ plan: ProxyPlan,
        configuration: ProxyConfiguration,
        inherited: [String: InheritedSocket] = [:]
    ) throws(ProxyError) {
        let numbered = Dictionary(uniqueKeysWithValues: plan.pools.enumerated().map { ($0.offset, $0.element) })
        try plan.checkLoops(at: plan.listeners.map(\.address), numbered)
        let memory = SharedMemory(
            workers: configuration.threads,
            limit: try configuration.connectionLimit(listeners: plan.listeners.count),
            recordsConnections: configuration.recordsConnections
        )
        var plan = plan
        try plan.assignSharedLimits(in: memory)
        let hub = EventHub(memory: memory)
        let parked = try Self.makeThreads(configuration.threads)
        let systems = try Self.makeSystems(configuration.threads)
        let mailboxes = systems.map { Mailbox<WorkerMessage>(waker: $0.waker) }
        let pools = PoolRegistry(memory)
        let seed = UInt64.random(in: 0 ... .max)
        let poolPlans = try pools.add(plan.pools)
        var workers: [TransferBox<Worker<LinuxSystem>>] = []
        var listenings: [Listening] = []
        do throws(ProxyError) {
            for listener in plan.listeners {
                listenings.append(try Listening(listener, inherited: inherited[listener.name]))
            }
            for (index, handover) in systems.enumerated() {
                var worker = Worker(
                    index: index,
                    system: handover.system.take()!,
                    settings: WorkerSettings(configuration, listeners: plan.listeners.count),
                    shared: memory.shared(with: index, hub: hub, mailboxes: mailboxes, seed: seed)
                )
                for (number, plan) in poolPlans.enumerated() { worker.setPool(plan, at: number) }
                let error = worker.listen(through: &listenings)
                workers.append(TransferBox(worker))
                if let error { throw error }
            }
            let addresses = listenings.map(\.address)
            // Again, because the ports that the system has chosen are known now.
            try plan.checkLoops(at: addresses, numbered)
            memory.loops.listen(on: addresses)
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
        self.parked = parked
        self.configuration = configuration
        inheritedSockets = Mutex(Array(inherited.values))
        listeners = ListenerRegistry(memory, plan.listeners, listenings)
    }

    /// Addresses of the listeners, with port 0 replaced by the actual port.
    var localAddresses: [SocketAddress] { listeners.entries.map(\.address) }

    deinit {
        // Closes the workers that no thread has taken.
        Self.close(workers)
        finish()
    }

    private struct MadeSystem {
        let system: TransferBox<LinuxSystem>
        let waker: LinuxWaker
    }

    private static func makeSystems(_ count: Int) throws(ProxyError) -> [MadeSystem] {
        var systems: [MadeSystem] = []
        for _ in 0..<count {
            do throws(SystemError) {
                let system = try LinuxSystem(wakerToken: TokenKind.mailbox.only)
                let waker = system.waker
                systems.append(MadeSystem(system: TransferBox(system), waker: waker))
            } catch {
                throw .system(error)
            }
        }
        return systems
    }

    // MARK: Threads

    private static func makeThreads(_ count: Int) throws(ProxyError) -> [ParkedThread] {
        var threads: [ParkedThread] = []
        for index in 0..<count {
            do throws(SystemError) {
                threads.append(try ParkedThread(name: "proxy-\(index)"))
            } catch {
                throw .threadLimit(ThreadLimitError(wanted: count, cause: error))
            }
        }
        return threads
    }

    /// Starts the threads of the workers.
    func start() {
        // The user may have changed since the workers were created, and with it the limit on pipes.
        let pipes = WorkerSettings(configuration).pipes
        let started = workers.enumerated().map { index, handover in
            // The thread retains this object, and with it the shared memory, while it runs.
            parked[index].start { [self] in
                guard var worker = handover.take() else { return }
                worker.buffers.pipes.lowerLimit(to: pipes)
                worker.run()
                lastStatistics.withLock { $0[index] = worker.clientStatistics() }
                worker.finish()
            }
        }
        threads.withLock { $0 = started }
    }

    /// Removes the socket files, and makes all workers close their listeners and end when their last connection has
    /// closed.
    func stopAccepting() {
        // Unix clients must no longer find the socket, just as TCP clients can no longer begin a handshake.
        removeSocketFiles()
        post(.stopAccepting)
        closeInheritedSockets()
    }

    private func closeInheritedSockets() {
        inheritedSockets.withLock { sockets in
            for socket in sockets { socket.close() }
            sockets = []
        }
    }

    private func removeSocketFiles() {
        isEnding.withLock { isEnding in
            guard !isEnding else { return }
            isEnding = true
            for entry in listeners.entries { entry.file?.remove() }
        }
    }

    /// Returns when all worker threads have ended.
    func join() async {
        for thread in threads.withLock({ $0 }) { await thread.join() }
    }

    /// Posts a message to all workers.
    func post(_ message: WorkerMessage) {
        for mailbox in mailboxes { mailbox.post(message) }
    }

    /// Removes the socket files and ends the event stream. Called after the last worker has ended.
    func finish() {
        removeSocketFiles()
        closeInheritedSockets()
        hub.finish()
    }

    private static func close(_ workers: [TransferBox<Worker<LinuxSystem>>]) {
        for handover in workers {
            guard var worker = handover.take() else { continue }
            worker.closeListeners()
        }
    }
}
