import EventLoop

/// The state that a worker shares with the rest of the proxy; its owner outlives the worker's thread.
struct WorkerShared: Sendable {
    let connectionLimiter: ConnectionLimiter
    let subscriptions: EventSubscriptions
    let loads: WorkerLoads
    let counters: CounterPage
    let serverMetrics: MetricTable<ServerMetric>
    let listenerMetrics: MetricTable<ListenerMetric>
    let poolMetrics: MetricTable<PoolMetric>
    let limits: ListenerLimitsTable
    let loops: LoopDetector
    let events: EventRing<MetricEvent>
    let denials: EventRing<Denial>
    /// The ring for access log records; nil if the access log is disabled.
    let records: EventRing<ConnectionRecord>?
    let hub: EventHub
    let mailboxes: [Mailbox<WorkerMessage>]
    /// Differs between processes, so that replicas do not all start with the same server.
    var seed: UInt64 = 0
}
