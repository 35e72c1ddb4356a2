import EventLoop
import Sockets

// Accepting connections, and the end of accepting.

extension EchoWorker where S: ~Copyable {
    mutating func acceptBatch(_ limit: Int) {
        var accepted = 0
        while accepted < limit {
            guard connections.reserve(on: &system) else { return pauseAccepting(.exhausted) }
            switch acceptNext() {
            case .connection(let descriptor, peer: _): open(descriptor)
            case .wouldBlock: return
            // That connection is already gone; the next one may be valid.
            case .failed(let error) where error.isReset: break
            // Whatever the error is, an immediate retry would spin.
            case .failed: return pauseAccepting(.exhausted)
            }
            accepted += 1
        }
    }

    mutating func acceptNext() -> AcceptResult {
        switch listener {
        case .some(let listener): system.accept(from: listener)
        case .none: .wouldBlock
        }
    }

    mutating func open(_ descriptor: consuming Descriptor) {
        let seed = behavior.seed &+ UInt64(counters.total.value)
        let slot = connections.insert(EchoConnection(descriptor: descriptor, seed: seed))
        counters.total.add(1)
        counters.active.add(1)
        let connection = connections.pointer(to: slot)
        // The registration raises an event immediately, since the socket is writable; it also reports bytes already
        // received.
        let error = system.register(connection.pointee.descriptor, for: .connection, token: token(of: slot))
        guard error != nil else { return }
        close(slot, .reset)
        pauseAccepting(.exhausted)
    }

    mutating func pauseAccepting(_ pause: AcceptPause) {
        if case .exhausted = pause {
            counters.acceptPauses.add(1)
            now = system.now()
            timers.schedule(acceptTimer, at: now + EchoLimits.acceptPause)
        } else {
            timers.cancel(acceptTimer)
        }
        acceptPause = pause
        watchListener(false)
    }

    mutating func resumeAccepting() {
        guard acceptPause != nil else { return }
        acceptPause = nil
        timers.cancel(acceptTimer)
        watchListener(true)
    }

    /// Enables or disables accept events. They are level-triggered, so a backlog that one batch did not empty is
    /// reported again. The workers of a Unix socket share its backlog and all wake up for a connection; the late ones
    /// find nothing.
    mutating func watchListener(_ isWatched: Bool) {
        switch listener {
        case .none: break
        case .some(let listener):
            // It is already registered, and changing the event mask allocates no memory, so this cannot fail
            // (epoll_ctl(2)).
            _ = system.modify(listener, for: isWatched ? .readable : [], token: Self.listenerToken)
        }
    }
}

extension EchoWorker where S: ~Copyable {
    mutating func drain(grace: Duration) {
        // Connections in the accept queue are established from the client's point of view, so they are accepted first.
        if !isDraining { acceptBatch(behavior.backlog) }
        isDraining = true
        closeListener()
        timers.cancel(acceptTimer)
        now = system.now()
        let end = now + grace
        if let earlier = drainEnd, earlier <= end { return }
        drainEnd = end
        if end <= now { forceCloseAll() } else { timers.schedule(drainTimer, at: end) }
    }

    mutating func closeListener() {
        if let listener = listener.take() { system.close(listener) }
    }

    /// Closes everything; must be called at the end of a worker's life.
    package consuming func dismantle() {
        forceCloseAll()
        closeListener()
        buffer.deallocate()
    }
}
