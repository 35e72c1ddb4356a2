import Sockets
import Workers

/// Sending of requests: when, and on which connection.
extension Generator where Network: ~Copyable, Talk: ~Copyable {
    /// Sends all requests that can be sent now.
    mutating func issue() {
        guard stage == .running else { return }
        if isOpenLoop { gather(until: now) }
        if isPerExchange { return isOpenLoop ? dialForQueue() : dialForAll() }
        if connections.count < plan.connections { redial() }
        if isOpenLoop {
            serveQueue()
        } else if plan.lifecycle == .kept, !idle.isEmpty {
            beginIdle()
        }
    }

    /// Appends the requests that have become due to the queue.
    @inline(__always)
    mutating func gather(until moment: Instant) {
        while nextDue <= moment, nextDue < end {
            noteDue(nextDue)
            if !queue.append(nextDue), nextDue >= measureFrom { counts.overflowed += 1 }
            drawNextDue()
        }
    }

    /// Draws the due time of the next request from the schedule; never if the schedule has ended.
    @inline(__always)
    mutating func drawNextDue() {
        let (moment, overflow) = start.nanoseconds.addingReportingOverflow(schedule?.next() ?? .max)
        nextDue = Instant(nanoseconds: overflow ? .max : moment)
    }

    /// Sends due requests on idle connections.
    @inline(__always)
    mutating func serveQueue() {
        while !queue.isEmpty, let slot = idle.popFirst(), let due = queue.popFirst() {
            let link = connections.pointer(to: slot)
            let moment = system.now()
            if due >= measureFrom { sample.lag.record(max(due, link.pointee.idleSince), moment) }
            begin(slot, link, due: due, at: moment)
        }
        longestQueue = max(longestQueue, queue.count)
    }

    /// Sends a request on each idle connection: in a closed loop a request is due as soon as a connection is idle.
    private mutating func beginIdle() {
        while let slot = idle.popFirst() {
            let moment = system.now()
            begin(slot, connections.pointer(to: slot), due: moment, at: moment)
        }
    }

    private mutating func dialForQueue() {
        while connections.count < plan.connections, let due = queue.popFirst() {
            let moment = system.now()
            if due >= measureFrom { sample.lag.record(due, moment) }
            dial(due: due)
        }
        longestQueue = max(longestQueue, queue.count)
    }

    private mutating func dialForAll() {
        while connections.count < plan.connections, now >= nextDial, now < end {
            now = system.now()
            noteDue(now)
            dial(due: now)
        }
    }

    /// Runs one exchange on each held connection, a few of them concurrently.
    mutating func checkHeld() {
        while busy < Limits.checksAtOnce, let slot = idle.popFirst() {
            let moment = system.now()
            begin(slot, connections.pointer(to: slot), due: moment, at: moment)
        }
    }
}
