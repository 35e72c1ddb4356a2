import Relay
import Sockets
import Workers

// A worker's listening socket.

extension Worker where S: ~Copyable {
    /// Takes connections from the queue, a bounded number of them; the poller comes back for the rest.
    mutating func acceptBatch() {
        for _ in 0..<WorkerSettings.acceptsPerWakeUp {
            guard listener != nil, acceptOne() == .more else { return }
        }
    }

    private enum Queue {
        case more
        case empty
        /// There is no place for those who are in it.
        case held
    }

    private mutating func acceptOne() -> Queue {
        guard shared.admission.reserve() else { return pauseAccepting(.connections) ? .held : .more }
        switch system.accept(from: listener!) {
        case .connection(let descriptor, let peer):
            let owner = isStopping ? index : shared.loads.place(acceptedBy: index)
            shared.loads.add(1, to: owner)
            if owner == index { open(descriptor, peer) } else { handOver(descriptor, peer, to: owner) }
            return .more
        case .wouldBlock:
            releasePlace()
            return .empty
        case .failed(let error):
            releasePlace()
            // A connection that died in the queue is no reason to leave those behind it (accept(2)).
            guard error.isExhaustion else { return .more }
            return pauseAccepting(.exhausted) ? .held : .more
        }
    }

    /// Gives a connection to a worker that has fewer. It stays with that one for good.
    private mutating func handOver(_ descriptor: consuming Descriptor, _ peer: PeerAddress, to owner: Int) {
        let number = descriptor.release()
        let room = shared.mailboxes[owner].limit - WorkerSettings.handedOverAtMost
        if shared.mailboxes[owner].post(.adopt(number, peer), leaving: room) { return }
        shared.loads.add(-1, to: owner)
        shared.loads.add(1, to: index)
        open(Descriptor(adopting: number), peer)
    }

    /// Takes a connection that another worker has accepted, and counted as this one's.
    mutating func adopt(_ descriptor: consuming Descriptor, _ peer: PeerAddress) {
        guard isCut else { return open(descriptor, peer) }
        system.abort(descriptor)
        shared.loads.add(-1, to: index)
        releasePlace()
    }

    private mutating func open(_ descriptor: consuming Descriptor, _ peer: PeerAddress) {
        opened += 1
        let id = ConnectionID(worker: index, count: opened)
        let (active, total) = shared.admission.countOpened()
        let slot = sessions.insert(
            Session(client: descriptor, peer: peer, id: id, now: now, candidate: candidates.preferred)
        )
        if shared.admission.hasListeners {
            write(.connectionOpened(id: id, client: peer, active: active, total: total))
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
    mutating func releasePlace() {
        if let waiting = shared.admission.release() { shared.mailboxes[waiting].post(.resumeAccepting) }
    }

    /// Level-triggered: what a batch leaves in the queue is reported again.
    mutating func watchListener() -> SystemError? {
        system.register(listener!, for: .readable, token: TokenKind.listener.only)
    }

    /// - Returns: false if what was lacking is there again already.
    private mutating func pauseAccepting(_ cause: AcceptPause) -> Bool {
        if cause == .connections, !shared.admission.wait(worker: index) { return false }
        if pause == nil {
            _ = system.reregister(listener!, for: [], token: TokenKind.listener.only)
            shared.counters.add(1, to: .pause(cause))
        }
        pause = cause
        if cause == .exhausted { timers.schedule(acceptTimer, at: now + WorkerSettings.acceptRetry) }
        return true
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
        endListening()
        system.stopHandshakes(on: listener!)
        timers.schedule(lastCallTimer, at: now + WorkerSettings.handshakeEnd)
    }

    mutating func endListening() {
        guard !isStopping else { return }
        isStopping = true
        shared.loads.close(index)
    }

    /// Accepts what is in the queue and closes the socket; where places, descriptors or memory are lacking, when there are
    /// some.
    mutating func lastCall() {
        while true {
            switch acceptOne() {
            case .more: continue
            case .empty: return closeListener()
            case .held: return timers.schedule(lastCallTimer, at: now + WorkerSettings.acceptRetry)
            }
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
