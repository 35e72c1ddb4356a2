import EventLoop
import Relay
import Sockets

// A worker's listening sockets.

extension Worker where S: ~Copyable {
    /// Accepts a bounded number of connections from the backlog; the poller reports the socket again if more are left.
    mutating func acceptBatch(_ number: Int) {
        for _ in 0..<WorkerSettings.acceptsPerWakeUp {
            guard listeners.pointer(to: number).pointee.descriptor != nil, acceptOne(number) == .more else { return }
            // The connection just accepted may have exhausted what the next one needs.
            if pause != nil { return }
        }
    }

    private enum Queue {
        case more
        case empty
        /// The backlog may hold connections, but there is no permit or resource to accept them.
        case held
    }

    private mutating func acceptOne(_ number: Int) -> Queue {
        guard shared.connectionLimiter.reserve() else { return pauseAccepting(.connections) ? .held : .more }
        switch system.accept(from: listeners.pointer(to: number).pointee.descriptor!) {
        case .connection(let descriptor, let peer):
            let owner = isStopping ? index : shared.loads.place(acceptedBy: index)
            shared.loads.add(1, to: owner)
            if owner == index {
                open(descriptor, peer, from: number)
            } else {
                handOver(descriptor, peer, from: number, to: owner)
            }
            return .more
        case .wouldBlock:
            releasePermit()
            return .empty
        case .failed(let error):
            releasePermit()
            // A connection that failed in the backlog must not prevent accepting those behind it (accept(2)).
            guard error.isExhaustion else { return .more }
            return pauseAccepting(.exhausted) ? .held : .more
        }
    }

    /// Hands a connection over to a less loaded worker, which keeps it until it ends; if that is not possible, serves
    /// it here.
    private mutating func handOver(
        _ descriptor: consuming Descriptor,
        _ peer: PeerAddress,
        from listener: Int,
        to owner: Int
    ) {
        let number = descriptor.release()
        let room = shared.mailboxes[owner].limit - WorkerSettings.maxHandedOver
        // A worker that has not yet processed the change that added this listener cannot serve its connections.
        let isKnown = shared.loads.version(of: owner) >= listeners.pointer(to: listener).pointee.version
        if isKnown, shared.mailboxes[owner].post(.adopt(number, peer, listener: listener), leaving: room) { return }
        shared.loads.add(-1, to: owner)
        shared.loads.add(1, to: index)
        open(Descriptor(adopting: number), peer, from: listener)
    }

    /// Takes over a connection that another worker accepted and counted in this worker's load.
    mutating func adopt(_ descriptor: consuming Descriptor, _ peer: PeerAddress, from listener: Int) {
        guard isForced else { return open(descriptor, peer, from: listener) }
        system.abort(descriptor)
        shared.loads.add(-1, to: index)
        releasePermit()
    }

    private mutating func open(_ descriptor: consuming Descriptor, _ peer: PeerAddress, from listener: Int) {
        var flags = Session.Flags()
        let rules = listeners.pointer(to: listener)
        if rules.pointee.settings.hasRules {
            if let cause = checkAccess(peer, at: listener, &flags) { return deny(descriptor, cause, at: listener) }
        } else if case .unix = peer {
            flags = .isUnix
        }
        if rules.pointee.settings.deadlines.timeouts.idle != nil { flags.insert(.tracksActivity) }
        opened += 1
        shared.listenerMetrics.add(1, to: .opened, of: listener)
        let id = ConnectionID(worker: index, count: opened)
        let (active, total) = shared.connectionLimiter.countOpened()
        let slot = sessions.insert(
            Session(
                client: descriptor,
                peer: peer,
                listener: listener,
                pool: rules.pointee.settings.pool,
                flags: flags,
                id: id,
                now: now
            )
        )
        if flags.contains(.hasBandwidthLimit) {
            bandwidthAllowances.set(BandwidthAllowance(rules.pointee.settings.bandwidth!), at: slot)
        }
        let needsPreread = !flags.isDisjoint(with: .needsPreread)
        if needsPreread {
            startPreread(slot)
        } else if shared.subscriptions.hasSubscribers {
            write(.connectionOpened(id: id, client: peer, active: active, total: total))
        }
        let token = Token(slot: slot, generation: sessions.generation(of: slot), kind: TokenKind.client.rawValue)
        let session = sessions.pointer(to: slot)
        if system.register(session.pointee.duplex.client.descriptor!, for: .connection, token: token) != nil {
            abort(slot, .connectFailed, by: .proxy)
        } else if !needsPreread {
            findServer(slot)
        }
    }

    /// Returns a permit and wakes a worker that waits for one.
    mutating func releasePermit() {
        if let waiting = shared.connectionLimiter.release() { wake(waiting) }
    }

    /// Notifies a worker that a permit is available; if that worker has ended, the next waiting one.
    mutating func wake(_ worker: Int) {
        var waiting: Int? = worker
        while let worker = waiting, !shared.mailboxes[worker].post(.resumeAccepting) {
            waiting = shared.connectionLimiter.nextWaiting()
        }
    }

    /// Adds a listening socket before the worker's thread runs.
    mutating func addListener(_ descriptor: consuming Descriptor, settings: ListenerSettings) {
        let number = listeners.count
        setListener(Listener(descriptor, settings: settings, limits: number, version: 0), at: number)
    }

    mutating func setListener(_ listener: consuming Listener, at number: Int) {
        listeners.set(listener, at: number)
        if listeners.pointer(to: number).pointee.descriptor != nil {
            shared.listenerMetrics.add(1, to: .open, of: number)
        }
    }

    /// Registers the listening sockets, level-triggered: what a batch leaves in a backlog is reported again.
    mutating func watchListeners() -> SystemError? { setWatching(.readable) }

    /// Enables or disables readiness events for all listening sockets.
    ///
    /// - Returns: the error if a socket cannot be watched.
    private mutating func setWatching(_ readiness: Readiness) -> SystemError? {
        var failure: SystemError?
        for number in 0..<listeners.count { failure = watch(number, for: readiness) ?? failure }
        return failure
    }

    mutating func watch(_ number: Int, for readiness: Readiness) -> SystemError? {
        let listener = listeners.pointer(to: number)
        guard listener.pointee.descriptor != nil else { return nil }
        let token = TokenKind.listener.numbered(number)
        if listener.pointee.isWatched {
            return system.modify(listener.pointee.descriptor!, for: readiness, token: token)
        }
        let error = system.register(listener.pointee.descriptor!, for: readiness, token: token)
        listener.pointee.isWatched = error == nil
        return error
    }

    /// Stops accepting until permits or resources are available.
    ///
    /// - Returns: false if a permit has become available already.
    mutating func pauseAccepting(_ cause: AcceptPause) -> Bool {
        if cause == .connections, !shared.connectionLimiter.wait(worker: index) { return false }
        if pause == nil {
            _ = setWatching([])
            shared.counters.add(1, to: .pause(cause))
        }
        pause = cause
        if cause == .exhausted { timers.schedule(acceptTimer, at: now + WorkerSettings.acceptRetryInterval) }
        return true
    }

    /// Resumes accepting; does nothing if accepting is not paused.
    mutating func resumeAccepting() {
        guard pause != nil, listeners.isAnyOpen else { return }
        if pause == .exhausted, starvedDials > 0 {
            return timers.schedule(acceptTimer, at: now + WorkerSettings.acceptRetryInterval)
        }
        pause = nil
        timers.cancel(acceptTimer)
        if setWatching(.readable) != nil { _ = pauseAccepting(.exhausted) }
    }

    /// Accepts connections after a permit has been returned. If the backlogs of this worker are empty, or if it has no
    /// open listener, the permit is passed on to the next waiting worker.
    mutating func retryAccept() {
        resumeAccepting()
        for number in 0..<listeners.count { acceptBatch(number) }
        if !listeners.isAnyOpen, let waiting = shared.connectionLimiter.nextWaiting() { wake(waiting) }
    }

    /// Stops accepting. Connections already in the accept queue, or about to enter it, are established from the
    /// client's point of view, so they are accepted before the socket is closed.
    mutating func stopAccepting() {
        guard !isStopping else { return }
        endListening()
        for number in 0..<listeners.count { stopAccepting(number) }
    }

    mutating func stopAccepting(_ number: Int) {
        let listener = listeners.pointer(to: number)
        guard listener.pointee.descriptor != nil, listener.pointee.endsAt == nil else { return }
        listener.pointee.endsAt = now + WorkerSettings.handshakeTimeout
        system.stopHandshakes(on: listener.pointee.descriptor!)
        if !timers.isScheduled(listenerCloseTimer) {
            timers.schedule(listenerCloseTimer, at: now + WorkerSettings.handshakeTimeout)
        }
    }

    mutating func endListening() {
        guard !isStopping else { return }
        isStopping = true
        shared.loads.close(index)
    }

    /// Accepts the connections in the backlogs of sockets that are to be closed, then closes the sockets. If permits,
    /// descriptors or memory are exhausted, retries later.
    mutating func drainAcceptQueues() {
        var next: Instant?
        for number in 0..<listeners.count {
            guard let endsAt = listeners.pointer(to: number).pointee.endsAt else { continue }
            guard endsAt <= now else {
                next = min(next ?? endsAt, endsAt)
                continue
            }
            guard emptyQueue(number) else {
                next = now + WorkerSettings.acceptRetryInterval
                break
            }
            closeListener(number)
        }
        if let next { timers.schedule(listenerCloseTimer, at: next) }
    }

    /// - Returns: false if permits or resources are exhausted and the backlog may not be empty.
    private mutating func emptyQueue(_ number: Int) -> Bool {
        guard listeners.pointer(to: number).pointee.descriptor != nil else { return true }
        while true {
            switch acceptOne(number) {
            case .more: continue
            case .empty: return true
            case .held: return false
            }
        }
    }

    /// Closes all listening sockets. The kernel resets connections that are still in their backlogs.
    mutating func closeListeners() {
        for number in 0..<listeners.count { closeListener(number) }
    }

    private mutating func closeListener(_ number: Int) {
        let listener = listeners.pointer(to: number)
        listener.pointee.endsAt = nil
        guard let descriptor = listener.pointee.descriptor.take() else { return }
        system.close(descriptor)
        shared.listenerMetrics.add(-1, to: .open, of: number)
        guard !listeners.isAnyOpen else { return }
        pause = nil
        timers.cancel(acceptTimer)
        timers.cancel(listenerCloseTimer)
    }
}
