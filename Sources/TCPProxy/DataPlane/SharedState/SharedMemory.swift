import EventLoop
import Synchronization

/// Memory that workers share with each other and with readers of metrics, freed with the last reference to it.
final class SharedMemory: Sendable {
    let connectionLimiter: ConnectionLimiter
    let subscriptions = EventSubscriptions()
    let loads: WorkerLoads
    let servers = SharedServerTable()
    let pools = SharedPoolTable()
    /// One page per worker.
    let pages: [CounterPage]
    let rings: [EventRing<MetricEvent>]
    /// Examples of denied connections.
    let denials: [EventRing<Denial>]
    /// Nil if records of connections are not enabled.
    let records: [EventRing<ConnectionRecord>]?
    let serverMetrics: [MetricTable<ServerMetric>]
    let listenerMetrics: [MetricTable<ListenerMetric>]
    let poolMetrics: [MetricTable<PoolMetric>]
    let limits = ListenerLimitsTable()
    let loops = LoopDetector()
    /// Numbers of the limits that listeners share, by name.
    private let limitsNumbers = Mutex<[String: Int]>([:])

    init(workers: Int, limit: Int, recordsConnections: Bool = false) {
        connectionLimiter = ConnectionLimiter(limit: limit)
        loads = WorkerLoads(workers: workers)
        pages = (0..<workers).map { _ in CounterPage() }
        rings = (0..<workers).map { _ in EventRing() }
        denials = (0..<workers).map { _ in EventRing() }
        records = recordsConnections ? (0..<workers).map { _ in EventRing() } : nil
        serverMetrics = (0..<workers).map { _ in MetricTable(rows: SharedServerTable.capacity) }
        listenerMetrics = (0..<workers).map { _ in MetricTable(rows: Listeners.capacity) }
        poolMetrics = (0..<workers).map { _ in MetricTable(rows: SharedPoolState.capacity) }
    }

    deinit {
        connectionLimiter.free()
        subscriptions.free()
        loads.free()
        for page in pages { page.free() }
        for ring in rings { ring.free() }
        for ring in denials { ring.free() }
        for ring in records ?? [] {
            var unread: [ConnectionRecord] = []
            ring.read(into: &unread, limit: .max)
            for record in unread { record.tls?.release() }
            ring.free()
        }
        for table in serverMetrics { table.free() }
        for table in listenerMetrics { table.free() }
        for table in poolMetrics { table.free() }
        limits.free()
        loops.free()
    }

    /// Returns the number of the limits that listeners share under a name; nil if there are too many names. A name keeps
    /// its number, because former listeners may refer to it.
    func limitsNumber(named name: String) -> Int? {
        limitsNumbers.withLock { numbers in
            if let number = numbers[name] { return number }
            guard numbers.count < ListenerLimitsTable.maxNames else { return nil }
            numbers[name] = Listeners.capacity + numbers.count
            return numbers[name]
        }
    }

    /// Returns the view of one worker.
    func shared(
        with worker: Int,
        hub: EventHub,
        mailboxes: [Mailbox<WorkerMessage>],
        seed: UInt64 = 0
    ) -> WorkerShared {
        WorkerShared(
            connectionLimiter: connectionLimiter,
            subscriptions: subscriptions,
            loads: loads,
            counters: pages[worker],
            serverMetrics: serverMetrics[worker],
            listenerMetrics: listenerMetrics[worker],
            poolMetrics: poolMetrics[worker],
            limits: limits,
            loops: loops,
            events: rings[worker],
            denials: denials[worker],
            records: records?[worker],
            hub: hub,
            mailboxes: mailboxes,
            seed: seed
        )
    }
}
