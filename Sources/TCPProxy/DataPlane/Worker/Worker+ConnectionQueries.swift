import Relay
import Sockets
import Synchronization
import EventLoop

// Connection queries, and closing the connections that a query selects.

/// A ``ConnectionFilter`` with names resolved to the numbers that workers use.
struct ConnectionQuery: Sendable {
    var id: ConnectionID?
    var client: PeerAddress?
    /// Resolved to names after the answer, since the number may be reused by then.
    var listeners: Set<Int16>?
    var pools: Set<Int16>?
    /// ``SharedServerState/serial``.
    var servers: Set<Int>?
    /// Maximum number of entries to return; all other matches are only counted.
    var limit: Int
    /// Whether the matching connections are reset.
    var closes = false
}

/// A worker's description of one connection.
struct ConnectionEntry: Sendable {
    var id: ConnectionID
    var client: PeerAddress
    var listener: Int16
    var pool: Int16
    var server: Int?
    var stage: Session.Stage
    var bytesUpstream: UInt64
    var bytesDownstream: UInt64
    var age: Duration
}

/// The answer of one worker.
struct ConnectionAnswer: Sendable {
    var entries: [ConnectionEntry] = []
    var total = 0
}

extension Worker where S: ~Copyable {
    /// Finds connections and resets them if requested. Iterates over all connections of the worker; runs only on
    /// request.
    @inline(never)
    mutating func answer(_ query: ConnectionQuery) -> ConnectionAnswer {
        var answer = ConnectionAnswer()
        for slot in 0..<sessions.end where sessions.isTaken(slot) {
            let session = sessions.pointer(to: slot)
            guard session.pointee.matches(query) else { continue }
            answer.total += 1
            if answer.entries.count < query.limit { answer.entries.append(session.pointee.entry(at: now)) }
            if query.closes { abort(slot, .forced, by: .proxy) }
        }
        return answer
    }
}

extension Session {
    fileprivate func matches(_ query: ConnectionQuery) -> Bool {
        if let id = query.id, self.id != id { return false }
        if let client = query.client, self.client.withoutPort != client { return false }
        if let listeners = query.listeners, !listeners.contains(listener) { return false }
        if let pools = query.pools, !pools.contains(pool) { return false }
        guard let servers = query.servers else { return true }
        guard let server = dial.server else { return false }
        return servers.contains(server.serial)
    }

    fileprivate func entry(at now: Instant) -> ConnectionEntry {
        var server: Int?
        if let share = dial.server { server = share.serial }
        return ConnectionEntry(
            id: id,
            client: client,
            listener: listener,
            pool: pool,
            server: server,
            stage: stage,
            bytesUpstream: duplex.upstream.transferred,
            bytesDownstream: duplex.downstream.transferred,
            age: now.since(openedAt)
        )
    }
}

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
