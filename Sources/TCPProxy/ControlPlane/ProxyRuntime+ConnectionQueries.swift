import EventLoop
import Sockets
import Synchronization

extension ProxyRuntime {
    /// Queries all workers for connections; a worker that has ended reports none.
    ///
    /// - Parameter limit: maximum number of entries, clamped to ``ConnectionsSnapshot/limit``.
    func connections(_ filter: ConnectionFilter, limit: Int, closes: Bool) async -> ConnectionsSnapshot {
        guard threads.withLock({ !$0.isEmpty }) else { return ConnectionsSnapshot() }
        let limit = min(max(limit, 0), ConnectionsSnapshot.limit)
        let query = ConnectionQuery(
            id: filter.id,
            client: filter.client?.withoutPort,
            listeners: filter.listener.map(listeners.numbers(named:)),
            pools: filter.pool.map(pools.numbers(named:)),
            servers: filter.server.map(pools.serials(ofServersNamed:)),
            limit: limit,
            closes: closes
        )
        let gather = WorkerGather<ConnectionAnswer>(workers: mailboxes.count)
        for mailbox in mailboxes where !mailbox.post(.connections(query, gather)) { gather.report(nil) }
        var snapshot = ConnectionsSnapshot()
        var entries: [ConnectionEntry] = []
        for answer in await gather.all() {
            snapshot.total += answer.total
            entries += answer.entries
        }
        // Not by age: the workers have answered at different times.
        snapshot.connections = entries.sorted { $0.openedAt < $1.openedAt }.prefix(limit).map(facts)
        return snapshot
    }

    /// Closes a share of a server's connections, those that have been idle the longest; connections with bytes on their
    /// way are not closed.
    ///
    /// - Parameter percent: share of all connections of the server, rounded up.
    /// - Returns: the number of connections closed.
    func closeIdleConnections(of server: ServerKey, percent: Int) async -> Int {
        guard threads.withLock({ !$0.isEmpty }) else { return 0 }
        let idle = WorkerGather<IdleAnswer>(workers: mailboxes.count)
        for mailbox in mailboxes where !mailbox.post(.findIdle(server: server.serial, idle)) { idle.report(nil) }
        let answers = await idle.all()
        let total = answers.reduce(0) { $0 + $1.total }
        let count = (total * min(max(percent, 0), 100) + 99) / 100
        let chosen = answers.flatMap(\.idle).sorted { ($0.idle, $1.id.rawValue) > ($1.idle, $0.id.rawValue) }
            .prefix(count)
        guard !chosen.isEmpty else { return 0 }
        let ids = Set(chosen.map(\.id))
        let closed = WorkerGather<Int>(workers: mailboxes.count)
        for mailbox in mailboxes where !mailbox.post(.closeIdle(ids, closed)) { closed.report(nil) }
        return await closed.all().reduce(0, +)
    }

    private func facts(_ entry: ConnectionEntry) -> ConnectionInfo {
        ConnectionInfo(
            id: entry.id,
            client: entry.client,
            listener: listeners.name(ofListener: Int(entry.listener)),
            pool: pools.name(ofPool: Int(entry.pool)),
            server: entry.server.flatMap { pools.server($0)?.name },
            stage: ConnectionInfo.Stage(entry.stage),
            bytesUpstream: Int(entry.bytesUpstream),
            bytesDownstream: Int(entry.bytesDownstream),
            age: entry.age,
            clientTLS: entry.clientTLS,
            serverTLS: entry.serverTLS
        )
    }
}

extension ConnectionInfo.Stage {
    init(_ stage: Session.Stage) {
        self =
            switch stage {
            case .preread: .preread
            case .handshake: .handshake
            case .queued: .queued
            case .dialing, .securing: .connecting
            case .relaying: .relaying
            case .drainingBeforeReset: .ending
            }
    }
}
