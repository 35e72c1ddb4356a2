import Workers

/// Memory that workers share with each other and with readers of metrics, freed with the last reference to it.
final class SharedMemory: Sendable {
    let admission: Admission
    let loads: WorkerLoads
    let servers = ServerTable()
    let pools = PoolTable()
    /// One page per worker.
    let pages: [CounterPage]
    let rings: [EventRing<MetricEvent>]
    /// Nil if records of connections are not enabled.
    let records: [EventRing<ConnectionRecord>]?
    let serverFigures: [FigureTable<ServerFigure>]
    let listenerFigures: [FigureTable<ListenerFigure>]
    let poolFigures: [FigureTable<PoolFigure>]
    let limits = ListenerLimitsTable()

    init(workers: Int, limit: Int, recordsConnections: Bool = false) {
        admission = Admission(limit: limit)
        loads = WorkerLoads(workers: workers)
        pages = (0..<workers).map { _ in CounterPage() }
        rings = (0..<workers).map { _ in EventRing() }
        records = recordsConnections ? (0..<workers).map { _ in EventRing() } : nil
        serverFigures = (0..<workers).map { _ in FigureTable(rows: ServerTable.capacity) }
        listenerFigures = (0..<workers).map { _ in FigureTable(rows: Listeners.capacity) }
        poolFigures = (0..<workers).map { _ in FigureTable(rows: PoolShare.capacity) }
    }

    deinit {
        admission.free()
        loads.free()
        for page in pages { page.free() }
        for ring in rings { ring.free() }
        for ring in records ?? [] { ring.free() }
        for table in serverFigures { table.free() }
        for table in listenerFigures { table.free() }
        for table in poolFigures { table.free() }
        limits.free()
    }

    /// Returns the view of one worker.
    func shared(
        with worker: Int,
        hub: EventHub,
        mailboxes: [Mailbox<WorkerMessage>],
        seed: UInt64 = 0
    ) -> WorkerShared {
        WorkerShared(
            admission: admission,
            loads: loads,
            counters: pages[worker],
            serverFigures: serverFigures[worker],
            listenerFigures: listenerFigures[worker],
            poolFigures: poolFigures[worker],
            limits: limits,
            events: rings[worker],
            records: records?[worker],
            hub: hub,
            mailboxes: mailboxes,
            seed: seed
        )
    }
}
