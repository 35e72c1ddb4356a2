import EventLoop
import Relay
import Sockets

// Enforcement of bandwidth limits. Not called for connections without a limit.

extension Worker where S: ~Copyable {
    /// Relays what is possible within the allowance.
    @inline(never)
    mutating func relayWithinBandwidth(_ slot: Slot) -> Duplex.Outcome {
        let session = sessions.pointer(to: slot)
        var allowance = allowance(of: slot)
        let before = allowance
        let outcome = session.pointee.duplex.turn(
            on: &system,
            with: &buffers,
            upstream: &allowance.upstream,
            downstream: &allowance.downstream
        )
        spend(before.upstream - allowance.upstream, before.downstream - allowance.downstream, slot)
        return outcome
    }

    /// Returns the numbers of bytes that a connection may receive now; unlimited without a bandwidth limit.
    @inline(__always)
    mutating func allowance(of slot: Slot) -> (upstream: Int, downstream: Int) {
        guard sessions.pointer(to: slot).pointee.flags.contains(.hasBandwidthLimit) else { return (.max, .max) }
        let budget = bandwidthAllowances.pointer(to: slot)
        return (budget.pointee.upstream.allowance(at: now), budget.pointee.downstream.allowance(at: now))
    }

    /// Records received bytes.
    @inline(__always)
    mutating func spend(_ upstream: Int, _ downstream: Int, _ slot: Slot) {
        guard sessions.pointer(to: slot).pointee.flags.contains(.hasBandwidthLimit) else { return }
        let budget = bandwidthAllowances.pointer(to: slot)
        budget.pointee.upstream.spend(upstream, at: now)
        budget.pointee.downstream.spend(downstream, at: now)
    }

    /// Schedules the continuation of a direction that waits only for its allowance.
    @inline(never)
    mutating func scheduleBandwidthTurn(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let budget = bandwidthAllowances.pointer(to: slot)
        let upstream = session.pointee.duplex.upstream.state
        let downstream = session.pointee.duplex.downstream.state
        budget.pointee.nextTurn = nil
        let canReceive = session.pointee.duplex.client.canReceive || hasInput(of: .client, slot)
        if upstream.next(canReceive: canReceive, canSend: session.pointee.duplex.server.canSend) == .receive {
            budget.pointee.nextTurn = budget.pointee.upstream.nextTurn(at: now)
        }
        let canAnswer = session.pointee.duplex.server.canReceive || hasInput(of: .server, slot)
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
