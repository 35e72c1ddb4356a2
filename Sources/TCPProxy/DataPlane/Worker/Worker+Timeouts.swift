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
        var recheckAt =
            session.pointee.flags.contains(.hasBandwidthLimit)
            ? bandwidthAllowances.pointer(to: slot).pointee.nextTurn
            : session.pointee.duplex.recheckTime(buffers.batching)
        if let halfClose = halfCloseRecheck(slot) { recheckAt = min(recheckAt ?? halfClose, halfClose) }
        let facts = session.pointee.timeoutInputs(queueTimeout: queueTimeout, recheckAt: recheckAt)
        return settings(of: slot).pointee.settings.deadlines.next(facts)
    }

    mutating func deadlineReached(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        guard let next = nextDeadline(of: slot) else { return }
        // Activity has moved the deadline since the timer was set.
        guard next.at <= now else { return timers.schedule(slot, at: next.at) }
        if isSuperseded(next.action, slot) { return }
        switch next.action {
        case .preread: prereadTimedOut(slot)
        case .handshake: deny(slot, .tlsTimeout)
        case .attempt: attemptFailed(slot, .timedOut)
        case .connect:
            shared.counters.add(1, to: .failure(.timeout))
            if let server = session.pointee.dial.server {
                shared.serverMetrics.add(1, to: .failure(.timeout), of: server.id)
                server.noteFailure(after: sinceAttempt(slot), now: Int(now.nanoseconds))
            }
            rejectNoServer(slot, .connectFailed)
        case .queue:
            shared.poolMetrics.add(1, to: .queueTimeouts, of: pool(of: slot))
            rejectNoServer(slot, .queueTimeout)
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
    /// Processes readiness that no wait has returned yet, before a timeout ends a connection or an attempt: after the
    /// process was stopped, the bytes that arrived in that time are processed first.
    ///
    /// - Returns: whether the timeout no longer applies: the deadline has moved, or the connection has ended.
    @inline(never)
    private mutating func isSuperseded(_ action: ConnectionTimeouts.Action, _ slot: Slot) -> Bool {
        let session = sessions.pointer(to: slot)
        let generation = sessions.generation(of: slot)
        switch action {
        case .attempt where session.pointee.stage == .securing, .connect where session.pointee.stage == .securing:
            noteReadiness(of: .server, slot)
            continueHandshake(slot)
        case .handshake:
            noteReadiness(of: .client, slot)
            continueHandshake(slot)
        case .attempt, .connect:
            guard session.pointee.duplex.server.descriptor != nil else { return false }
            let readiness = system.readiness(of: session.pointee.duplex.server.descriptor!)
            guard !readiness.isDisjoint(with: [.writable, .failed, .hungUp]) else { return false }
            dialProgressed(slot, readiness)
            return true
        case .queue:
            dispatchQueue(of: pool(of: slot))
        case .preread:
            noteReadiness(of: .client, slot)
            if session.pointee.duplex.client.failure == nil { readPreread(slot) } else { deny(slot, .prereadEnded) }
        case .idle, .halfClose:
            noteReadiness(of: .client, slot)
            noteReadiness(of: .server, slot)
            relay(slot)
        case .retry, .lifetime, .keepAlive, .recheck, .resetDrain:
            return false
        }
        guard sessions.find(slot, generation: generation) != nil else { return true }
        if let next = nextDeadline(of: slot), next.action == action, next.at <= now { return false }
        if !timers.isScheduled(slot) { setTimer(slot) }
        return true
    }

    private mutating func noteReadiness(of side: Side, _ slot: Slot) {
        let session = sessions.pointer(to: slot)
        switch side {
        case .client:
            let readiness = system.readiness(of: session.pointee.duplex.client.descriptor!)
            session.pointee.duplex.client.note(readiness)
            if readiness.contains(.failed) { session.pointee.duplex.takeFailure(of: .client, on: &system) }
        case .server:
            let readiness = system.readiness(of: session.pointee.duplex.server.descriptor!)
            session.pointee.duplex.server.note(readiness)
            if readiness.contains(.failed) { session.pointee.duplex.takeFailure(of: .server, on: &system) }
        }
    }
}
