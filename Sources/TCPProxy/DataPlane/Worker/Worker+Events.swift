import EventLoop
import Relay
import Sockets

// The events and client statistics of a worker.

extension Worker where S: ~Copyable {
    /// Writes an event; if the ring is full, counts it as dropped.
    mutating func write(_ event: MetricEvent) {
        if shared.events.write(event) {
            hasWrittenEvents = true
        } else {
            shared.counters.add(1, to: .eventsDropped)
        }
    }

    /// Writes the bytes relayed by a connection since its last report.
    ///
    /// - Parameter mustTell: if false, the report is deferred while the ring is more than half full; the next one
    ///   includes its bytes.
    mutating func reportBytes(_ slot: Slot, isFinal: Bool) {
        guard isFinal || !shared.events.isHalfFull else { return }
        let session = sessions.pointer(to: slot)
        let upstream = session.pointee.duplex.upstream.transferred
        let downstream = session.pointee.duplex.downstream.transferred
        let (id, client) = (session.pointee.id, session.pointee.client)
        if upstream > session.pointee.reportedUpstream {
            write(.bytesUpstream(id: id, client: client, count: Int(upstream - session.pointee.reportedUpstream)))
            session.pointee.reportedUpstream = upstream
        }
        if downstream > session.pointee.reportedDownstream {
            write(.bytesDownstream(id: id, client: client, count: Int(downstream - session.pointee.reportedDownstream)))
            session.pointee.reportedDownstream = downstream
        }
    }

    /// Returns the statistics of all clients of this worker. Iterates over all connections; runs only on request.
    mutating func clientStatistics() -> ClientAnswer {
        var part = ClientAnswer(closed: clients.all, other: clients.other, running: [])
        part.running.reserveCapacity(sessions.count)
        for slot in 0..<sessions.end where sessions.isTaken(slot) {
            part.running.append(sessions.pointer(to: slot).pointee.figures(lastSeen: now))
        }
        return part
    }
}

extension Session {
    /// Returns the contribution of this connection to its client's statistics.
    func figures(lastSeen: Instant) -> ClientTable.Entry {
        ClientTable.Entry(
            address: client.withoutPort,
            total: 1,
            bytesUpstream: Int(duplex.upstream.transferred),
            bytesDownstream: Int(duplex.downstream.transferred),
            firstSeen: openedAt,
            lastSeen: lastSeen
        )
    }
}

/// The client statistics of one worker.
struct ClientAnswer: Sendable {
    var closed: [ClientTable.Entry]
    var other: ClientTable.Entry
    var running: [ClientTable.Entry]
}

typealias ClientGather = WorkerGather<ClientAnswer>
