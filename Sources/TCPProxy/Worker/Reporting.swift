import Relay
import Sockets
import Synchronization
import Workers

// What a worker tells of its connections.

extension Worker where S: ~Copyable {
    /// Writes an event, if there is room; counts it as dropped if not.
    mutating func write(_ event: MetricEvent) {
        if shared.events.write(event) {
            hasWrittenEvents = true
        } else {
            shared.counters.add(1, to: .eventsDropped)
        }
    }

    /// Writes what a connection has moved since it was last told.
    ///
    /// - Parameter mustTell: false lets it wait while the ring is filling: the next time tells of more bytes at once.
    mutating func reportBytes(_ slot: Slot, mustTell: Bool) {
        guard mustTell || !shared.events.isHalfFull else { return }
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

    /// All this worker knows of its clients. Costs a walk over its connections, and is done only when asked for.
    mutating func clientFigures() -> ClientSweep.Part {
        var part = ClientSweep.Part(closed: clients.all, other: clients.other, running: [])
        part.running.reserveCapacity(sessions.count)
        for slot in 0..<sessions.end where sessions.isTaken(slot) {
            part.running.append(sessions.pointer(to: slot).pointee.figures(lastSeen: now))
        }
        return part
    }
}

extension Session {
    /// What this connection adds to its client's figures.
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

/// One worker's clients.
struct ClientAnswer: Sendable {
    var closed: [ClientTable.Entry]
    var other: ClientTable.Entry
    var running: [ClientTable.Entry]
}

typealias ClientSweep = Sweep<ClientAnswer>

/// A question to all workers, and the place where the answers meet.
final class Sweep<Answer: Sendable>: Sendable {
    /// One worker's answer.
    typealias Part = Answer

    private struct State {
        var parts: [Part] = []
        var missing: Int
        var continuation: CheckedContinuation<[Part], Never>?
    }

    private let state: Mutex<State>

    init(workers: Int) {
        state = Mutex(State(missing: workers))
    }

    /// One worker's answer; an absent worker has none.
    func report(_ part: Part?) {
        let finished = state.withLock { state -> (CheckedContinuation<[Part], Never>, [Part])? in
            if let part { state.parts.append(part) }
            state.missing -= 1
            guard state.missing == 0, let continuation = state.continuation else { return nil }
            state.continuation = nil
            return (continuation, state.parts)
        }
        if let (continuation, parts) = finished { continuation.resume(returning: parts) }
    }

    /// All answers, when the last has come.
    func parts() async -> [Part] {
        await withCheckedContinuation { continuation in
            let parts = state.withLock { state -> [Part]? in
                guard state.missing > 0 else { return state.parts }
                state.continuation = continuation
                return nil
            }
            if let parts { continuation.resume(returning: parts) }
        }
    }
}
