import EventLoop
import Sockets

// Serving and closing connections.

extension EchoWorker where S: ~Copyable {
    /// How a connection ended.
    enum Ending {
        case ended
        case reset
        case closed
        case forced
    }

    /// Gives a connection its turn.
    mutating func serve(_ connection: UnsafeMutablePointer<EchoConnection>, _ slot: Int) {
        guard !isStalled else { return list(connection, slot) }
        let held = connection.pointee.unsent.capacity
        do throws(SystemError) {
            let outcome = try step(connection, slot)
            if case .finished = outcome { try finish(connection, slot) }
            noteHeldMemory(connection.pointee.unsent.capacity - held)
            switch outcome {
            case .waits, .finished: break
            case .hasMore: list(connection, slot)
            case .over(let ending): close(slot, ending)
            }
        } catch {
            noteHeldMemory(connection.pointee.unsent.capacity - held)
            close(slot, .reset)
        }
    }

    @inline(__always)
    private mutating func noteHeldMemory(_ difference: Int) {
        if difference != 0, heldMemory.change(by: difference) { HeldMemory.release() }
    }

    /// Adds a connection to the ready list.
    mutating func list(_ connection: UnsafeMutablePointer<EchoConnection>, _ slot: Int) {
        guard !connection.pointee.isListed else { return }
        connection.pointee.isListed = true
        ready.append(slot)
    }

    /// Closes a connection. Its slot may be reused immediately.
    mutating func close(_ slot: Int, _ ending: Ending) {
        timers.cancel(slot)
        ready.remove(slot)
        var connection = connections.remove(slot)
        if connection.unsent.capacity > 0 {
            let held = connection.unsent.capacity
            connection.unsent = UnsentBytes()
            noteHeldMemory(-held)
        }
        // Before the descriptor is closed, so that a client that sees the close finds it counted.
        counters.active.add(-1)
        switch ending {
        case .ended: counters.ended.add(1)
        case .reset: counters.reset.add(1)
        case .closed: counters.closed.add(1)
        case .forced: counters.forced.add(1)
        }
        if case .forced = ending {
            system.abort(connection.descriptor)
        } else {
            system.close(connection.descriptor)
        }
        if case .exhausted = acceptPause { resumeAccepting() }
    }

    mutating func forceCloseAll() {
        var slot = 0
        while slot < connections.end {
            if connections.isTaken(slot) { close(slot, .forced) }
            slot += 1
        }
    }
}
