import Balancing
import EventLoop
import Relay
import Sockets

// Server selection and the queue for connection slots.

extension Worker where S: ~Copyable {
    /// Selects a server and starts a connection attempt. If all eligible servers are full, queues the client; if no
    /// server can be tried, rejects it.
    mutating func findServer(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let pool = pools.pointer(to: pool(of: slot))
        let choice = pool.pointee.choose(
            key: session.pointee.client.balancingKey,
            tried: session.pointee.dial.tried,
            now: Int(now.nanoseconds)
        )
        switch choice {
        case .server(let position): start(slot, at: position)
        case .full: enqueue(slot)
        case .allDown:
            // A server that failed for this connection may be the first to be up again.
            session.pointee.dial.tried = TriedServers()
            session.pointee.dial.beganAt = now
            enqueue(slot)
        case .none: rejectNoServer(slot)
        }
    }

    /// Closes the client's connection immediately because no server can take it. Uses a reset, so that the client does
    /// not mistake it for an empty response.
    ///
    /// - Parameter reason: nil if no server is left to try: the attempts have failed, or there was none to begin with.
    mutating func rejectNoServer(_ slot: Slot, _ reason: CloseReason? = nil) {
        let session = sessions.pointer(to: slot)
        shared.counters.add(1, to: .refused)
        shared.listenerMetrics.add(1, to: .refused, of: Int(session.pointee.listener))
        let reason = reason ?? (session.pointee.dial.attempts == 0 ? .noServer : .connectFailed)
        abort(slot, reason, by: reason == .connectFailed ? .server : .proxy)
    }

    /// Returns the number of the pool that serves a connection.
    @inline(__always)
    func pool(of slot: Slot) -> Int {
        Int(sessions.pointer(to: slot).pointee.pool)
    }

    private mutating func start(_ slot: Slot, at position: Int) {
        let session = sessions.pointer(to: slot)
        let server = pools.pointer(to: pool(of: slot)).pointee[position]
        session.pointee.stage = .dialing
        session.pointee.dial.server = server.share
        session.pointee.dial.hasPermit = true
        session.pointee.dial.position = Int32(position)
        session.pointee.dial.isUnix = server.address.isUnix
        if pools.pointer(to: pool(of: slot)).pointee.hasTLS, !createServerTransform(slot) {
            return repeatAttemptLater(slot)
        }
        dial(slot, at: server.address)
    }

    /// Releases a connection's slot at its server and notifies a worker that has clients waiting for it. The connection
    /// no longer refers to the server.
    mutating func releaseServer(_ slot: Slot) {
        forgetOwnConnection(slot)
        guard let server = sessions.pointer(to: slot).pointee.dial.server.take() else { return }
        guard sessions.pointer(to: slot).pointee.dial.hasPermit else { return server.forget() }
        sessions.pointer(to: slot).pointee.dial.hasPermit = false
        server.release()
        notifyWaitingWorker(of: pool(of: slot))
    }

    /// Releases a connection's slot at a server that has finished its part of the connection, although the connection
    /// continues on the client's side: the server has sent EOF and was sent all bytes received so far, or has failed.
    ///
    /// A server that has closed its socket cannot be distinguished from one that has only half-closed it.
    @inline(never)
    mutating func releaseFinishedServer(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        if session.pointee.duplex.server.failure == nil {
            switch session.pointee.duplex.downstream.state.phase {
            case .finishing, .finished: guard session.pointee.duplex.upstream.state.pending == 0 else { return }
            case .open, .breaking, .broken, .abandoned: return
            }
        }
        // Not `?.`: see `record`.
        guard let server = session.pointee.dial.server else { return }
        session.pointee.dial.hasPermit = false
        server.releaseEarly()
        notifyWaitingWorker(of: pool(of: slot))
    }

    /// Notifies a worker that has waiting clients that a connection slot is available.
    ///
    /// - Parameter asked: the workers that cannot use the slot.
    private mutating func notifyWaitingWorker(of number: Int, but asked: WorkerSet = .none) {
        let share = pools.pointer(to: number).pointee.share
        guard let worker = share.nextWaiting(but: asked) else { return }
        // Use the mailbox even if this is the worker to notify: the caller is in the middle of another operation.
        if !shared.mailboxes[worker].post(.slotReleased(pool: number, asked: asked)) { share.announce(worker) }
    }

    // MARK: The queue

    private mutating func enqueue(_ slot: Slot) {
        let number = pool(of: slot)
        let pool = pools.pointer(to: number)
        guard pool.pointee.share.enter(worker: index, limit: pool.pointee.queueLimit) else {
            shared.poolMetrics.add(1, to: .queueOverflows, of: number)
            return rejectNoServer(slot, .queueFull)
        }
        shared.poolMetrics.add(1, to: .queued, of: number)
        sessions.pointer(to: slot).pointee.stage = .queued
        noteQueueEntered(slot)
        pool.pointee.waiting.append(slot)
        setTimer(slot)
        // A slot released before this worker was marked as waiting was not announced to it.
        dispatchQueue(of: number)
    }

    /// Removes a connection from its queue.
    mutating func leaveQueue(_ slot: Slot) {
        let pool = pools.pointer(to: pool(of: slot))
        pool.pointee.waiting.remove(slot)
        pool.pointee.share.leave()
        noteQueueLeft(slot)
    }

    /// Assigns available connection slots to queued clients in FIFO order.
    ///
    /// - Parameter asked: the workers that could not use an offered slot; all workers if no slot was offered.
    mutating func dispatchQueue(of number: Int, asked: WorkerSet = .all) {
        guard pools.hasPool(number) else { return }
        let share = pools.pointer(to: number).pointee.share
        var waiting = serveWaiting(of: number)
        if waiting != .empty {
            // Notifications are guaranteed only after this worker is marked as waiting, so check again.
            share.announce(index)
            waiting = serveWaiting(of: number)
        }
        switch waiting {
        case .empty: notifyWaitingWorker(of: number)
        case .restricted: notifyWaitingWorker(of: number, but: asked.inserting(index))
        case .unrestricted: break
        }
    }

    /// The clients left in a queue after all possible ones have been served.
    private enum Waiting {
        case empty
        /// Only clients that have already tried the servers with available slots.
        case restricted
        /// At least one client that would accept any server: no slot is available.
        case unrestricted
    }

    private mutating func serveWaiting(of number: Int) -> Waiting {
        let pool = pools.pointer(to: number)
        var next = pool.pointee.waiting.first
        while let slot = next {
            let session = sessions.pointer(to: slot)
            let tried = session.pointee.dial.tried
            let key = session.pointee.client.balancingKey
            switch pool.pointee.choose(key: key, tried: tried, now: Int(now.nanoseconds)) {
            case .server(let position):
                leaveQueue(slot)
                session.pointee.dial.beganAt = now
                start(slot, at: position)
                // An attempt that fails immediately changes the queue.
                next = pool.pointee.waiting.first
            case .none:
                leaveQueue(slot)
                session.pointee.stage = .dialing
                rejectNoServer(slot)
                next = pool.pointee.waiting.first
            case .allDown:
                resetTried(of: number)
                return .unrestricted
            case .full:
                if tried.isEmpty { return .unrestricted }
                next = pool.pointee.waiting.next(after: slot)
            }
        }
        return pool.pointee.waiting.isEmpty ? .empty : .restricted
    }

    /// Lets all queued clients try every server again.
    private mutating func resetTried(of number: Int) {
        let pool = pools.pointer(to: number)
        var next = pool.pointee.waiting.first
        while let slot = next {
            sessions.pointer(to: slot).pointee.dial.tried = TriedServers()
            next = pool.pointee.waiting.next(after: slot)
        }
    }

    // MARK: Changes by the control plane

    mutating func setPool(_ plan: PoolPlan, at number: Int) {
        let seed = shared.seed &+ UInt64(index)
        if pools.hasPool(number) {
            pools.pointer(to: number).pointee.change(to: plan, seed: seed, links: queueLinks)
        } else {
            pools.set(WorkerPool(plan, seed: seed, links: queueLinks), at: number)
        }
        dispatchQueue(of: number)
    }

    /// Resets all relaying connections of a server.
    mutating func closeConnections(to server: Int) {
        for slot in 0..<sessions.end where sessions.isTaken(slot) {
            let session = sessions.pointer(to: slot)
            guard session.pointee.dial.server?.id == server, session.pointee.stage == .relaying else { continue }
            abort(slot, .serverDown, by: .proxy)
        }
    }
}

extension PeerAddress {
    /// A key that is the same for all connections of a client, on all machines.
    var balancingKey: UInt64 {
        guard case .internet(let address) = self else { return 0 }
        return KeyHash.address(high: address.high, low: address.low)
    }
}
