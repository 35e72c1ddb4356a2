import EventLoop
import Relay
import Sockets
import Synchronization

// Connection queries, and closing the connections that a query selects.

extension Worker where S: ~Copyable {
    /// Finds connections and resets them if requested. Iterates over all connections of the worker; runs only on
    /// request.
    @inline(never)
    mutating func answer(_ query: ConnectionQuery) -> ConnectionAnswer {
        var answer = ConnectionAnswer()
        for slot in 0..<sessions.end where sessions.isTaken(slot) {
            let session = sessions.pointer(to: slot)
            guard session.pointee.matches(query) else { continue }
            answer.add(session.pointee.entry(at: now, slot), limit: query.limit)
            if query.closes { abort(slot, .forced, by: .proxy) }
        }
        answer.keepOldest(query.limit)
        if !query.closes { describeTLS(&answer) }
        return answer
    }

    /// Adds the descriptions of TLS to the connections that are listed.
    private mutating func describeTLS(_ answer: inout ConnectionAnswer) {
        for index in answer.entries.indices {
            answer.entries[index].clientTLS = tlsInfo(of: .client, answer.entries[index].slot)
            answer.entries[index].serverTLS = tlsInfo(of: .server, answer.entries[index].slot)
        }
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

    fileprivate func entry(at now: Instant, _ slot: Int) -> ConnectionEntry {
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
            openedAt: openedAt,
            age: now.since(openedAt),
            slot: slot
        )
    }
}
