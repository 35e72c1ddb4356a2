import Relay
import Sockets
import Workers

// A worker's listening socket.

extension Worker where S: ~Copyable {
    /// Takes connections from the queue, a bounded number of them; the poller comes back for the rest.
    mutating func acceptBatch() {
        for _ in 0..<WorkerSettings.acceptsPerWakeUp {
            guard acceptOne() else { return }
        }
    }

    /// - Returns: false if there is nothing more to accept now.
    private mutating func acceptOne() -> Bool {
        guard listener != nil else { return false }
        guard shared.admission.reserve() else {
            pauseAccepting(.connections)
            return false
        }
        switch system.accept(from: listener!) {
        case .connection(let descriptor, let peer):
            open(descriptor, peer)
            return true
        case .wouldBlock:
            releasePlace()
            return false
        case .failed(let error):
            releasePlace()
            // A connection that died in the queue is no reason to leave those behind it (accept(2)).
            guard error.isExhaustion else { return true }
            pauseAccepting(.exhausted)
            return false
        }
    }

    private mutating func open(_ descriptor: consuming Descriptor, _ peer: PeerAddress) {
        opened += 1
        let id = ConnectionID(worker: index, count: opened)
        let total = shared.admission.countOpened()
        let slot = sessions.insert(
            Session(client: descriptor, peer: peer, id: id, now: now, candidate: candidates.preferred)
        )
        if shared.admission.hasListeners {
            write(.connectionOpened(id: id, client: peer, active: shared.admission.active, total: total))
        }
        let token = Token(slot: slot, generation: sessions.generation(of: slot), kind: TokenKind.client.rawValue)
        let session = sessions.pointer(to: slot)
        if system.register(session.pointee.duplex.client.descriptor!, for: .connection, token: token) != nil {
            abort(slot, .connectFailed, by: .proxy)
        } else {
            dial(slot)
        }
    }

    /// Gives a place back and tells a worker that waits for one.
    @discardableResult
    mutating func releasePlace() -> Int {
        let (active, waiting) = shared.admission.release()
        if let waiting { shared.mailboxes[waiting].post(.resumeAccepting) }
        return active
    }

    /// Level-triggered: what a batch leaves in the queue is reported again.
    mutating func watchListener() -> SystemError? {
        system.register(listener!, for: .readable, token: TokenKind.listener.only)
    }

    private mutating func pauseAccepting(_ cause: AcceptPause) {
        if cause == .connections, !shared.admission.wait(worker: index) { return }
        if pause == nil {
            _ = system.reregister(listener!, for: [], token: TokenKind.listener.only)
            shared.counters.add(1, to: .pause(cause))
        }
        pause = cause
        if cause == .exhausted { timers.schedule(acceptTimer, at: now + WorkerSettings.acceptRetry) }
    }

    /// Does nothing if accepting is not paused.
    mutating func resumeAccepting() {
        guard pause != nil, listener != nil else { return }
        pause = nil
        timers.cancel(acceptTimer)
        _ = system.reregister(listener!, for: .readable, token: TokenKind.listener.only)
    }

    /// Lets nobody begin a connection any more. Who is in the queue, or about to be, believes that he is connected: he is
    /// accepted, and only then the socket is closed.
    mutating func stopAccepting() {
        guard !isStopping else { return }
        isStopping = true
        system.stopHandshakes(on: listener!)
        timers.schedule(lastCallTimer, at: now + WorkerSettings.handshakeEnd)
    }

    /// Accepts what is in the queue and closes the socket; where places, descriptors or memory are lacking, when there are
    /// some.
    mutating func lastCall() {
        while acceptOne() {}
        if pause == nil {
            closeListener()
        } else {
            timers.schedule(lastCallTimer, at: now + WorkerSettings.acceptRetry)
        }
    }

    /// Closes the socket. Who is still in its queue is reset.
    mutating func closeListener() {
        guard let listener = listener.take() else { return }
        system.close(listener)
        pause = nil
        timers.cancel(acceptTimer)
        timers.cancel(lastCallTimer)
    }
}
