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
        snapshot.connections = entries.sorted { $0.age > $1.age }.prefix(limit).map(facts)
        return snapshot
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
            age: entry.age
        )
    }
}

extension ConnectionInfo.Stage {
    init(_ stage: Session.Stage) {
        self =
            switch stage {
            case .preread: .preread
            case .queued: .queued
            case .dialing: .connecting
            case .relaying: .relaying
            case .drainingBeforeReset: .ending
            }
    }
}
