import EventLoop
import Relay
import Sockets

// Enforcement of bandwidth limits. Not called for connections without a limit.

extension Worker where S: ~Copyable {
    /// Relays what is possible within the allowance.
    @inline(never)
    mutating func relayWithinBandwidth(_ slot: Slot) -> Duplex.Outcome {
        let session = sessions.pointer(to: slot)
        let budget = bandwidthAllowances.pointer(to: slot)
        let upstream = budget.pointee.upstream.allowance(at: now)
        let downstream = budget.pointee.downstream.allowance(at: now)
        var leftUpstream = upstream
        var leftDownstream = downstream
        let outcome = session.pointee.duplex.turn(
            on: &system,
            with: &buffers,
            upstream: &leftUpstream,
            downstream: &leftDownstream
        )
        budget.pointee.upstream.spend(upstream - leftUpstream, at: now)
        budget.pointee.downstream.spend(downstream - leftDownstream, at: now)
        return outcome
    }

    /// Schedules the continuation of a direction that waits only for its allowance.
    @inline(never)
    mutating func scheduleBandwidthTurn(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let budget = bandwidthAllowances.pointer(to: slot)
        let upstream = session.pointee.duplex.upstream.state
        let downstream = session.pointee.duplex.downstream.state
        budget.pointee.nextTurn = nil
        let canReceive = session.pointee.duplex.client.canReceive
        if upstream.next(canReceive: canReceive, canSend: session.pointee.duplex.server.canSend) == .receive {
            budget.pointee.nextTurn = budget.pointee.upstream.nextTurn(at: now)
        }
        let canAnswer = session.pointee.duplex.server.canReceive
        if downstream.next(canReceive: canAnswer, canSend: session.pointee.duplex.client.canSend) == .receive {
            let time = budget.pointee.downstream.nextTurn(at: now)
            budget.pointee.nextTurn = budget.pointee.nextTurn.map { min($0, time) } ?? time
        }
        setTimer(slot)
    }
}

extension BandwidthBucket {
    /// Returns the time at which the allowance is worth a wakeup, at least 1 ms from now.
    fileprivate func nextTurn(at now: Instant) -> Instant {
        max(nextMoment(for: quantum, at: now), now + .milliseconds(1))
    }
}
