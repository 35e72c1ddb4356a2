import EventLoop
import Sockets

/// Sending of requests: when, and on which connection.
extension Generator where Network: ~Copyable, Load: ~Copyable {
    /// Sends all requests that can be sent now.
    mutating func issue() {
        guard stage == .running else { return }
        if isOpenLoop { gather(until: now) }
        if isPerExchange { return isOpenLoop ? dialForQueue() : dialForAll() }
        if connections.count < configuration.connections { redial() }
        if isOpenLoop {
            dispatchQueue()
        } else if configuration.lifecycle == .kept, !idle.isEmpty {
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
    mutating func dispatchQueue() {
        while !queue.isEmpty, let slot = idle.popFirst(), let due = queue.popFirst() {
            let link = connections.pointer(to: slot)
            let moment = system.now()
            if due >= measureFrom { sample.lag.record(max(due, link.pointee.idleSince), moment) }
            begin(slot, link, due: due, at: moment)
        }
        maxQueueLength = max(maxQueueLength, queue.count)
    }

    /// Sends a request on each idle connection: in a closed loop a request is due as soon as a connection is idle.
    private mutating func beginIdle() {
        while let slot = idle.popFirst() {
            let moment = system.now()
            begin(slot, connections.pointer(to: slot), due: moment, at: moment)
        }
    }

    private mutating func dialForQueue() {
        while connections.count < configuration.connections, let due = queue.popFirst() {
            let moment = system.now()
            if due >= measureFrom { sample.lag.record(due, moment) }
            dial(due: due)
        }
        maxQueueLength = max(maxQueueLength, queue.count)
    }

    private mutating func dialForAll() {
        while connections.count < configuration.connections, now >= nextDial, now < end {
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
