import Relay
import Sockets
import Workers

// How a worker holds connections to their bandwidth. Nothing here is called for one that has no limit.

/// What the two directions of a connection may still move.
struct Budget {
    var upstream: Bandwidth
    var downstream: Bandwidth
    /// When a direction that waits for nothing but its budget has some again; nil if none does.
    var nextTurn: Instant?

    init(_ bandwidth: Bandwidth) {
        upstream = bandwidth
        downstream = bandwidth
    }
}

extension Worker where S: ~Copyable {
    /// Moves what can be moved now, and may.
    @inline(never)
    mutating func turnWithin(_ slot: Slot) -> Duplex.Outcome {
        let session = sessions.pointer(to: slot)
        let budget = budgets.pointer(to: slot)
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

    /// Has a half that waits for nothing but its budget go on when there is some again.
    @inline(never)
    mutating func planBudget(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let budget = budgets.pointer(to: slot)
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

extension Bandwidth {
    /// When there is enough to wake up for, later than now in any case.
    fileprivate func nextTurn(at now: Instant) -> Instant {
        max(nextMoment(for: quantum, at: now), now + .milliseconds(1))
    }
}
