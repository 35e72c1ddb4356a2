import EventLoop
import Relay
import Sockets

// Timers of connections: the earliest deadline, and the action when it is reached.

extension Worker where S: ~Copyable {
    /// Sets the connection's timer to its earliest deadline.
    mutating func setTimer(_ slot: Slot) {
        if let next = nextDeadline(of: slot) {
            timers.schedule(slot, at: next.at)
        } else {
            timers.cancel(slot)
        }
    }

    /// Returns the earliest deadline of a connection.
    @inline(__always)
    func nextDeadline(of slot: Slot) -> (at: Instant, action: ConnectionTimeouts.Action)? {
        let session = sessions.pointer(to: slot)
        let isQueued = session.pointee.stage == .queued
        let queueTimeout = isQueued ? pools.pointer(to: pool(of: slot)).pointee.queueTimeout : nil
        let recheckAt =
            session.pointee.flags.contains(.hasBandwidthLimit)
            ? bandwidthAllowances.pointer(to: slot).pointee.nextTurn
            : session.pointee.duplex.recheckTime(buffers.batching)
        let facts = session.pointee.timeoutInputs(queueTimeout: queueTimeout, recheckAt: recheckAt)
        return settings(of: slot).pointee.settings.deadlines.next(facts)
    }

    mutating func deadlineReached(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        guard let next = nextDeadline(of: slot) else { return }
        // Activity has moved the deadline since the timer was set.
        guard next.at <= now else { return timers.schedule(slot, at: next.at) }
        switch next.action {
        case .preread: deny(slot, .prereadTimeout)
        case .attempt: attemptFailed(slot, .timedOut)
        case .connect:
            shared.counters.add(1, to: .failure(.timeout))
            if let server = session.pointee.dial.server {
                shared.serverMetrics.add(1, to: .failure(.timeout), of: server.id)
                server.noteFailure(after: sinceAttempt(slot), now: Int(now.nanoseconds))
            }
            rejectNoServer(slot)
        case .queue:
            shared.poolMetrics.add(1, to: .queueTimeouts, of: pool(of: slot))
            rejectNoServer(slot)
        case .retry: findServer(slot)
        case .idle: abort(slot, .idleTimeout, by: .proxy)
        case .halfClose: abort(slot, .halfCloseTimeout, by: .proxy)
        case .lifetime: abort(slot, .lifetime, by: .proxy)
        case .keepAlive:
            session.pointee.hasKeepAlive = true
            system.keepAlive(
                settings(of: slot).pointee.settings.keepAlive!,
                on: session.pointee.duplex.server.descriptor!
            )
            setTimer(slot)
        case .resetDrain: relay(slot)
        case .recheck:
            session.pointee.duplex.recheck(on: &system, with: buffers, at: now)
            let generation = sessions.generation(of: slot)
            relay(slot)
            // Batching has ended, so the deadlines that it preceded are due next.
            if sessions.find(slot, generation: generation) != nil, !timers.isScheduled(slot) { setTimer(slot) }
        }
    }
}
