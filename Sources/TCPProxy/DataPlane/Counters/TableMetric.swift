/// Index of a counter in a row.
protocol TableMetric {
    var index: Int { get }
    /// Number of counters in a row.
    static var count: Int { get }
}

/// Counters of a server.
struct ServerMetric: TableMetric {
    let index: Int

    static var bytesUpstream: ServerMetric { ServerMetric(index: 0) }
    static var bytesDownstream: ServerMetric { ServerMetric(index: 1) }
    /// Connections established to it.
    static var connected: ServerMetric { ServerMetric(index: 2) }
    static var connectNanoseconds: ServerMetric { ServerMetric(index: 3) }

    static func failure(_ cause: ConnectFailure) -> ServerMetric {
        ServerMetric(index: 8 + Int(cause.rawValue))
    }

    static func closure(_ reason: CloseReason, _ initiator: CloseInitiator) -> ServerMetric {
        ServerMetric(index: 16 + Int(reason.rawValue) * CloseInitiator.allCases.count + Int(initiator.rawValue))
    }

    /// - Parameter bucket: an index of ``DurationHistogram/counts``.
    static func connectTime(bucket: Int) -> ServerMetric {
        ServerMetric(index: 64 + bucket)
    }

    static var count: Int { 88 }
}

/// Counters of a listener.
struct ListenerMetric: TableMetric {
    let index: Int

    static var opened: ListenerMetric { ListenerMetric(index: 0) }
    static var closed: ListenerMetric { ListenerMetric(index: 1) }
    static var bytesUpstream: ListenerMetric { ListenerMetric(index: 2) }
    static var bytesDownstream: ListenerMetric { ListenerMetric(index: 3) }
    /// Connections for which no server was available.
    static var refused: ListenerMetric { ListenerMetric(index: 4) }
    /// 1 while the worker has a listening socket for it.
    static var open: ListenerMetric { ListenerMetric(index: 5) }

    static func denied(_ cause: DenyReason) -> ListenerMetric {
        ListenerMetric(index: 8 + Int(cause.rawValue))
    }

    /// - Parameter cause: one of ``DenyReason/limits``.
    static func dryRun(_ cause: DenyReason) -> ListenerMetric {
        ListenerMetric(index: 26 + Int(cause.rawValue))
    }

    static var count: Int { 32 }
}

/// Counters of a pool.
struct PoolMetric: TableMetric {
    let index: Int

    /// Connections that had to wait for a server.
    static var queued: PoolMetric { PoolMetric(index: 0) }
    /// Queued connections that exceeded the queue timeout.
    static var queueTimeouts: PoolMetric { PoolMetric(index: 1) }
    /// Connections rejected because the queue was full.
    static var queueOverflows: PoolMetric { PoolMetric(index: 2) }
    /// Failed connection attempts after which another server was selected, if one was left.
    static var retries: PoolMetric { PoolMetric(index: 3) }

    static var count: Int { 8 }
}
