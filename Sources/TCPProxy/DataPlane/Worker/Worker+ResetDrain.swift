import EventLoop
import Relay
import Sockets

// The reset drain: after the failure of one side, the other side is reset once it has acknowledged all data.

extension Worker where S: ~Copyable {
    /// Handles the failure of one side. Resets the other side once its peer has acknowledged all data sent to it,
    /// because a reset discards queued data; stops waiting if there is no progress for too long.
    mutating func drainBeforeReset(_ slot: Slot, isDelivered: Bool) {
        let session = sessions.pointer(to: slot)
        if session.pointee.dial.hasPermit { releaseFinishedServer(slot) }
        var remaining = session.pointee.duplex.pending + unacknowledged(slot)
        if !session.pointee.flags.isDisjoint(with: .transforms) { remaining += pendingOutput(slot) }
        if isDelivered, remaining == 0 { return abort(slot, .reset, by: initiator(of: slot)) }
        if session.pointee.stage != .drainingBeforeReset {
            session.pointee.stage = .drainingBeforeReset
            session.pointee.resetDrain = ResetDrain(
                remaining: remaining,
                progressAt: now,
                nextRecheck: now,
                interval: WorkerSettings.resetDrainPollInterval.lowerBound
            )
        } else if remaining != session.pointee.resetDrain.remaining || session.pointee.lastActivity == now {
            // The number is also unchanged if as many bytes arrived from the failed side as were acknowledged: that is
            // progress, too.
            session.pointee.resetDrain.remaining = remaining
            session.pointee.resetDrain.progressAt = now
        } else if now.since(session.pointee.resetDrain.progressAt)
            >= settings(of: slot).pointee.settings.resetDrainTimeout
        {
            return abort(slot, .reset, by: initiator(of: slot))
        }
        session.pointee.resetDrain.scheduleRecheck(at: now)
        setTimer(slot)
    }

    /// Returns the number of bytes sent to the remaining side that are not yet acknowledged.
    mutating func unacknowledged(_ slot: Slot) -> Int {
        let session = sessions.pointer(to: slot)
        if session.pointee.duplex.client.failure == nil { return unacknowledged(slot, .client) }
        return session.pointee.duplex.server.failure == nil ? unacknowledged(slot, .server) : 0
    }

    /// Returns 0 for a Unix socket: its peer has the data as soon as it is sent, and keeps it when this end closes.
    mutating func unacknowledged(_ slot: Slot, _ side: Side) -> Int {
        let session = sessions.pointer(to: slot)
        let count: Int
        let hasSentEnd: Bool
        switch side {
        case .client:
            guard !session.pointee.flags.contains(.isUnix), session.pointee.duplex.client.descriptor != nil else {
                return 0
            }
            count = system.unacknowledged(on: session.pointee.duplex.client.descriptor!)
            hasSentEnd = session.pointee.duplex.downstream.state.phase == .finished
        case .server:
            guard !session.pointee.dial.isUnix,
                session.pointee.duplex.server.descriptor != nil
            else { return 0 }
            count = system.unacknowledged(on: session.pointee.duplex.server.descriptor!)
            hasSentEnd = session.pointee.duplex.upstream.state.phase == .finished
        }
        // The kernel counts a FIN as one byte.
        return hasSentEnd ? max(0, count - 1) : count
    }

    @inline(__always)
    func initiator(of slot: Slot) -> CloseInitiator {
        let session = sessions.pointer(to: slot)
        // Neither side is the cause if this machine is out of memory.
        if session.pointee.duplex.client.failure == .outOfMemory { return .proxy }
        if session.pointee.duplex.server.failure == .outOfMemory { return .proxy }
        return session.pointee.duplex.firstToEnd == .server ? .server : .client
    }
}
