import EventLoop
import Relay
import Sockets

// The end of connections.

extension Worker where S: ~Copyable {
    /// Closes a connection after both directions have ended or both sides have failed.
    mutating func close(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let initiator = initiator(of: slot)
        // After a local failure the peer is still connected and must not see a regular end of data.
        if session.pointee.duplex.hasFailed { return abort(slot, .reset, by: initiator) }
        if !session.pointee.flags.isDisjoint(with: .transforms) { discardInput(slot) }
        session.pointee.duplex.close(on: &system, with: &buffers)
        finalize(slot, .ended, by: initiator)
    }

    /// Resets both sides. Undelivered data is discarded and counted.
    mutating func abort(_ slot: Slot, _ reason: CloseReason, by initiator: CloseInitiator) {
        let session = sessions.pointer(to: slot)
        if session.pointee.stage == .relaying || session.pointee.stage == .drainingBeforeReset {
            if session.pointee.duplex.server.failure == nil {
                shared.counters.add(unacknowledged(slot, .server), to: .discardedUpstream)
            }
            if session.pointee.duplex.client.failure == nil {
                shared.counters.add(unacknowledged(slot, .client), to: .discardedDownstream)
            }
        }
        session.pointee.duplex.abort(on: &system, with: &buffers)
        finalize(slot, reason, by: initiator)
    }

    /// Publishes the end of a closed connection and frees its slot.
    mutating func finalize(_ slot: Slot, _ reason: CloseReason, by initiator: CloseInitiator) {
        timers.cancel(slot)
        ready.remove(slot)
        let session = sessions.pointer(to: slot)
        if session.pointee.stage == .queued { leaveQueue(slot) }
        if !session.pointee.flags.isEmpty { releaseLimits(slot) }
        clearStarvation(slot)
        shared.counters.add(Int(session.pointee.duplex.upstream.discarded), to: .discardedUpstream)
        shared.counters.add(Int(session.pointee.duplex.downstream.discarded), to: .discardedDownstream)
        shared.counters.add(1, to: .closure(reason, initiator))
        shared.listenerMetrics.add(1, to: .closed, of: Int(session.pointee.listener))
        if let records = shared.records { record(slot, reason, by: initiator, in: records) }
        if !session.pointee.flags.isDisjoint(with: .transforms) { releaseTransforms(slot) }
        if let server = session.pointee.dial.server {
            shared.serverMetrics.add(1, to: .closure(reason, initiator), of: server.id)
            if initiator == .server, session.pointee.duplex.downstream.transferred == 0,
                pools.pointer(to: pool(of: slot)).pointee.latency == .firstByte
            {
                server.noteMissingLatency(now: Int(now.nanoseconds))
            }
            releaseServer(slot)
        }
        clients.record(session.pointee.figures(lastSeen: now))
        shared.loads.add(-1, to: index)
        let active = shared.connectionLimiter.countClosed()
        releasePermit()
        if shared.subscriptions.hasSubscribers {
            reportBytes(slot, isFinal: true)
            write(
                .connectionClosed(
                    id: session.pointee.id,
                    client: session.pointee.client,
                    reason: reason,
                    by: initiator,
                    active: active
                )
            )
        }
        _ = sessions.remove(slot)
        // Two descriptors have become available.
        if pause == .exhausted { resumeAccepting() }
    }
}
