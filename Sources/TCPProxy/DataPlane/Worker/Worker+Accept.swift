import EventLoop
import Relay
import Sockets

// A worker's listening sockets.

extension Worker where S: ~Copyable {
    /// Accepts a bounded number of connections from the backlog; the poller reports the socket again if more are left.
    /// While accepting is paused, holds the listener instead.
    ///
    /// - Parameter isReported: whether the poller has reported the socket, so that a client is waiting.
    mutating func acceptBatch(_ number: Int, isReported: Bool) {
        var isWaiting = isReported
        for _ in 0..<WorkerSettings.acceptsPerWakeUp {
            guard listeners.pointer(to: number).pointee.descriptor != nil else { return }
            // The connection just accepted may have exhausted what the next one needs.
            guard pause == nil else { return hold(number) }
            switch acceptOne(number, isWaiting: isWaiting) {
            case .more: isWaiting = false  // Whether more clients are waiting is unknown.
            case .empty, .unknown: return
            case .held: return hold(number)
            }
        }
    }

    private enum Queue {
        case more
        case empty
        /// The backlog may hold connections, but there is no permit or resource to accept them.
        case held
        /// No permit is available, and a connection in preread may be closed for a client: if one is waiting, the poller
        /// reports the socket.
        case unknown
    }

    /// - Parameter isWaiting: whether a client is known to wait, for which a connection in preread may be closed.
    private mutating func acceptOne(_ number: Int, isWaiting: Bool = false) -> Queue {
        var isReserved = shared.connectionLimiter.reserve()
        if !isReserved, hasOldPreread {
            guard isWaiting else { return .unknown }
            isReserved = makeRoom()
        }
        guard isReserved else {
            guard pauseAccepting(.connections) else { return .more }
            requestRoom(isWaiting: isWaiting)
            return .held
        }
        guard reserveMemory(for: number) else {
            releasePermit()
            return pauseAccepting(.exhausted) ? .held : .more
        }
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

    /// Closes a connection that is in preread for long, if the connection limit is reached.
    ///
    /// - Returns: whether a permit has been reserved.
    @inline(never)
    private mutating func makeRoom() -> Bool {
        guard evictPreread() else { return false }
        return shared.connectionLimiter.reserve()
    }

    /// Polls the sockets again later if connections are in preread; lets other workers close one that is for long if a
    /// client is waiting.
    private mutating func requestRoom(isWaiting: Bool) {
        guard shared.connectionLimiter.prereads > 0 else { return }
        if isWaiting { askForRoom() }
        timers.schedule(acceptTimer, at: now + WorkerSettings.minPrereadTime)
    }

    private mutating func askForRoom() {
        for worker in shared.mailboxes.indices where worker != index { shared.mailboxes[worker].post(.evictPreread) }
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
        if !isForced, reserveMemory(for: listener) { return open(descriptor, peer, from: listener) }
        system.abort(descriptor)
        shared.loads.add(-1, to: index)
        releasePermit()
    }

    /// Reserves the memory that the next connection of a listener needs, so that a connection is not accepted without.
    ///
    /// - Returns: false if the system is out of memory.
    private mutating func reserveMemory(for number: Int) -> Bool {
        let settings = listeners.pointer(to: number)
        var isReserved = true
        if settings.pointee.settings.hasLimits {
            isReserved = shared.limits.reserve(limitsNumber(of: number), on: &system)
        }
        isReserved = isReserved && sessions.reserve(on: &system)
        if settings.pointee.settings.mayPreread { isReserved = isReserved && prereadBuffers.reserve(on: &system) }
        if settings.pointee.settings.hasTLS { isReserved = isReserved && reserveClientTransforms() }
        if settings.pointee.settings.bandwidth != nil {
            isReserved = isReserved && bandwidthAllowances.reserve(on: &system)
        }
        if !isReserved { shared.counters.add(1, to: .memoryAllocationFailures) }
        return isReserved
    }

    private mutating func open(_ descriptor: consuming Descriptor, _ peer: PeerAddress, from listener: Int) {
        var flags = Session.Flags()
        let rules = listeners.pointer(to: listener)
        var hops: UInt8 = 0
        if shared.loops.isUsed {
            hops = self.hops(of: descriptor, peer)
            if shared.loops.isLoop(hops) { return deny(descriptor, peer, .loop, at: listener) }
        }
        if rules.pointee.settings.hasRules {
            if let cause = checkAccess(peer, at: listener, &flags) {
                return deny(descriptor, peer, cause, at: listener)
            }
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
        sessions.pointer(to: slot).pointee.dial.hops = hops
        if flags.contains(.hasBandwidthLimit) {
            bandwidthAllowances.set(rules.pointee.settings.bandwidth!, at: slot)
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
            if rules.pointee.settings.startsWithHandshake { startClientHandshake(slot) } else { findServer(slot) }
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
    mutating func addListener(
        _ descriptor: consuming Descriptor,
        isInherited: Bool = false,
        settings: ListenerSettings
    ) {
        let number = listeners.count
        let listener = Listener(
            descriptor,
            isInherited: isInherited,
            settings: settings,
            limits: number,
            version: 0
        )
        setListener(listener, at: number)
    }

    mutating func setListener(_ listener: consuming Listener, at number: Int) {
        listeners.set(listener, at: number)
        if listeners.pointer(to: number).pointee.descriptor != nil { noteSocketOpened(number) }
    }

    /// Counts a listening socket that this worker has now.
    mutating func noteSocketOpened(_ number: Int) {
        listeners.openCount += 1
        shared.listenerMetrics.add(1, to: .open, of: number)
    }

    /// Counts a listening socket that this worker no longer has under this number.
    mutating func noteSocketGone(_ number: Int) {
        listeners.openCount -= 1
        listeners.held.remove(number)
        shared.listenerMetrics.add(-1, to: .open, of: number)
    }

    /// Registers the listening sockets, level-triggered: what a batch leaves in a backlog is reported again.
    ///
    /// - Returns: the error if a socket cannot be watched.
    mutating func watchListeners() -> SystemError? {
        var failure: SystemError?
        for number in 0..<listeners.count { failure = watch(number, for: .readable) ?? failure }
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

    /// Stops accepting until permits or resources are available. Costs nothing for listeners without waiting
    /// connections: each of the others is held when the poller reports it.
    ///
    /// - Returns: false if a permit has become available already.
    mutating func pauseAccepting(_ cause: AcceptPause) -> Bool {
        if cause == .connections, !shared.connectionLimiter.wait(worker: index) { return false }
        if pause == nil { shared.counters.add(1, to: .pause(cause)) }
        pause = cause
        if cause == .exhausted { timers.schedule(acceptTimer, at: now + WorkerSettings.acceptRetryInterval) }
        return true
    }

    /// Disables readiness events of a listener with waiting connections until accepting resumes.
    mutating func hold(_ number: Int) {
        _ = watch(number, for: [])
        listeners.held.append(number)
    }

    /// Whether listeners are held although accepting is not paused.
    @inline(__always)
    var hasListenersToResume: Bool { pause == nil && !listeners.held.isEmpty }

    /// Enables the readiness events of a bounded number of held listeners, those held for the longest time first.
    mutating func resumeListeners() {
        for _ in 0..<WorkerSettings.resumedListenersPerWakeUp {
            guard let number = listeners.held.popFirst() else { return }
            guard watch(number, for: .readable) != nil else { continue }
            listeners.held.append(number)
            _ = pauseAccepting(.exhausted)
            return
        }
    }

    /// Resumes accepting; does nothing if accepting is not paused. ``resumeListeners()`` does the rest.
    mutating func resumeAccepting() {
        guard pause != nil, listeners.isAnyOpen else { return }
        if pause == .exhausted, starvedDials > 0 {
            return timers.schedule(acceptTimer, at: now + WorkerSettings.acceptRetryInterval)
        }
        pause = nil
        timers.cancel(acceptTimer)
    }

    /// Accepts connections of held listeners after a permit has been returned, until accepting is paused again. If this
    /// worker holds no listener or cannot accept, the permit is passed on to the next waiting worker.
    mutating func retryAccept() {
        resumeAccepting()
        guard hasListenersToResume else {
            if let waiting = shared.connectionLimiter.nextWaiting() { wake(waiting) }
            return
        }
        var left = min(listeners.held.count, WorkerSettings.resumedListenersPerWakeUp)
        while left > 0, hasListenersToResume, let number = listeners.held.popFirst() {
            left -= 1
            let error = watch(number, for: .readable)
            acceptBatch(number, isReported: false)
            guard error != nil else { continue }
            hold(number)
            _ = pauseAccepting(.exhausted)
        }
    }

    /// Stops accepting. Connections already in the accept queue, or about to enter it, are established from the
    /// client's point of view, so they are accepted before the socket is closed. Those of an inherited socket stay in its
    /// queue for the next process.
    mutating func stopAccepting() {
        guard !isStopping else { return }
        endListening()
        for number in 0..<listeners.count { stopAccepting(number) }
    }

    mutating func stopAccepting(_ number: Int) {
        let listener = listeners.pointer(to: number)
        guard listener.pointee.descriptor != nil, listener.pointee.endsAt == nil else { return }
        guard !listener.pointee.isInherited else { return closeListener(number) }
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
                hold(number)
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
            case .held, .unknown: return false
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
        // Closing ends the registration only if no other process has the socket open.
        if listener.pointee.isInherited, listener.pointee.isWatched { system.unregister(descriptor) }
        system.close(descriptor)
        noteSocketGone(number)
        guard !listeners.isAnyOpen else { return }
        pause = nil
        timers.cancel(acceptTimer)
        timers.cancel(listenerCloseTimer)
    }
}
