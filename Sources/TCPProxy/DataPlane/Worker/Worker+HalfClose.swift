import EventLoop
import Relay
import Sockets

// The end of half-closed connections of listeners with `half-close: close`.

extension Worker where S: ~Copyable {
    /// Closes a connection in which one side has finished, if the listener does not propagate half-closes: as soon as
    /// the bytes of that side have been acknowledged, or if there is no progress for too long. Closing earlier could
    /// discard them, because the kernel resets a connection that is closed with unread data.
    ///
    /// - Returns: whether the connection has been closed.
    @inline(never)
    mutating func closeHalfClosed(_ slot: Slot, _ outcome: Duplex.Outcome) -> Bool {
        guard settings(of: slot).pointee.settings.closesOnHalfClose else { return false }
        guard outcome == .waiting || outcome == .moreToMove else { return false }
        let session = sessions.pointer(to: slot)
        let hasClientFinished = session.pointee.duplex.upstream.state.phase == .finished
        guard hasClientFinished || session.pointee.duplex.downstream.state.phase == .finished else { return false }
        let remaining = unacknowledged(slot, hasClientFinished ? .server : .client)
        let isFirst = session.pointee.resetDrain.interval == .zero
        if isFirst || remaining != session.pointee.resetDrain.remaining {
            session.pointee.resetDrain.remaining = remaining
            session.pointee.resetDrain.progressAt = now
        }
        let silence = now.since(session.pointee.resetDrain.progressAt)
        if remaining == 0 || silence >= settings(of: slot).pointee.settings.resetDrainTimeout {
            if !session.pointee.flags.isDisjoint(with: .transforms) { discardInput(slot) }
            session.pointee.duplex.close(on: &system, with: &buffers)
            finalize(slot, .ended, by: hasClientFinished ? .client : .server)
            return true
        }
        if isFirst { session.pointee.resetDrain.interval = WorkerSettings.resetDrainPollInterval.lowerBound }
        session.pointee.resetDrain.scheduleRecheck(at: now)
        setTimer(slot)
        return false
    }

    /// Returns when to check again whether a half-closed connection can be closed; nil if it is not to be closed.
    @inline(__always)
    func halfCloseRecheck(_ slot: Slot) -> Instant? {
        let session = sessions.pointer(to: slot)
        guard session.pointee.stage == .relaying, session.pointee.resetDrain.interval != .zero else { return nil }
        return session.pointee.resetDrain.nextRecheck
    }
}
