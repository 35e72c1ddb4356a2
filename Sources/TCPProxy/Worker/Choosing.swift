import Balancing
import Relay
import Sockets
import Workers

// Which server a client gets, and how he waits for one.

extension Worker where S: ~Copyable {
    /// Chooses a server and starts an attempt to connect to it. Where all are full the client waits for a place; where none
    /// can be tried any more he is refused.
    mutating func findServer(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        let pool = pools.pointer(to: pool(of: slot))
        let choice = pool.pointee.choose(key: session.pointee.client.balancingKey, tried: session.pointee.dial.tried)
        switch choice {
        case .server(let position): start(slot, at: position)
        case .full: enqueue(slot)
        case .none: refuse(slot)
        }
    }

    /// The pool that a connection's server comes from.
    @inline(__always)
    func pool(of slot: Slot) -> Int {
        Int(sessions.pointer(to: slot).pointee.pool)
    }

    private mutating func start(_ slot: Slot, at position: Int) {
        let session = sessions.pointer(to: slot)
        let server = pools.pointer(to: pool(of: slot)).pointee[position]
        session.pointee.stage = .dialing
        session.pointee.dial.server = server.share
        session.pointee.dial.position = Int32(position)
        session.pointee.dial.isUnix = server.address.isUnix
        dial(slot, at: server.address)
    }

    /// Gives a connection's place at its server back, and tells a worker on which somebody waits for it.
    mutating func releaseServer(_ slot: Slot) {
        guard let server = sessions.pointer(to: slot).pointee.dial.server.take() else { return }
        server.release()
        offerPlace(of: pool(of: slot))
    }

    /// Tells a worker on which somebody waits that there is a place.
    ///
    /// - Parameter asked: a bit for each worker where nobody can use it.
    private mutating func offerPlace(of number: Int, but asked: UInt64 = 0) {
        let share = pools.pointer(to: number).pointee.share
        guard let worker = share.nextWaiting(but: asked) else { return }
        // By the mailbox also where it is this one: whoever gives a place back is in the middle of something.
        if !shared.mailboxes[worker].post(.placeFree(pool: number, asked: asked)) { share.announce(worker) }
    }

    // MARK: The queue

    private mutating func enqueue(_ slot: Slot) {
        let number = pool(of: slot)
        let pool = pools.pointer(to: number)
        guard pool.pointee.share.enter(worker: index, limit: pool.pointee.queueLimit) else {
            shared.poolFigures.add(1, to: .queueOverflows, of: number)
            return refuse(slot)
        }
        shared.poolFigures.add(1, to: .queued, of: number)
        sessions.pointer(to: slot).pointee.stage = .queued
        noteQueueEntered(slot)
        pool.pointee.waiting.append(slot)
        setTimer(slot)
        // A place that was given back before this worker was known to wait has been told to nobody.
        serveQueue(of: number)
    }

    /// Takes a connection out of the queue that it waits in.
    mutating func leaveQueue(_ slot: Slot) {
        let pool = pools.pointer(to: pool(of: slot))
        pool.pointee.waiting.remove(slot)
        pool.pointee.share.leave()
        noteQueueLeft(slot)
    }

    /// Gives places that are free to those who wait for them, the longest first.
    ///
    /// - Parameter asked: a bit for each worker that a place was offered to in vain; all where nothing was offered.
    mutating func serveQueue(of number: Int, asked: UInt64 = .max) {
        guard pools.hasPool(number) else { return }
        let share = pools.pointer(to: number).pointee.share
        var waiting = serveWaiting(of: number)
        if waiting != .nobody {
            // Only after this worker is known to wait can it rely on being told.
            share.announce(index)
            waiting = serveWaiting(of: number)
        }
        switch waiting {
        case .nobody: offerPlace(of: number)
        case .choosy: offerPlace(of: number, but: asked | 1 << UInt64(index))
        case .anybody: break
        }
    }

    /// Who is left in a queue when all who could were served.
    private enum Waiting {
        case nobody
        /// Only clients who have tried in vain what may have a place.
        case choosy
        /// Somebody who would take any place: there is none.
        case anybody
    }

    private mutating func serveWaiting(of number: Int) -> Waiting {
        let pool = pools.pointer(to: number)
        var next = pool.pointee.waiting.first
        while let slot = next {
            let session = sessions.pointer(to: slot)
            let tried = session.pointee.dial.tried
            switch pool.pointee.choose(key: session.pointee.client.balancingKey, tried: tried) {
            case .server(let position):
                leaveQueue(slot)
                session.pointee.dial.beganAt = now
                start(slot, at: position)
                // An attempt that fails at once changes the queue.
                next = pool.pointee.waiting.first
            case .none:
                leaveQueue(slot)
                session.pointee.stage = .dialing
                refuse(slot)
                next = pool.pointee.waiting.first
            case .full:
                if tried.isEmpty { return .anybody }
                next = pool.pointee.waiting.next(after: slot)
            }
        }
        return pool.pointee.waiting.isEmpty ? .nobody : .choosy
    }

    // MARK: What the control plane changes

    mutating func setPool(_ plan: PoolPlan, at number: Int) {
        let seed = shared.seed &+ UInt64(index)
        if pools.hasPool(number) {
            pools.pointer(to: number).pointee.change(to: plan, seed: seed)
        } else {
            pools.set(Pool(plan, seed: seed, sessions: sessions.capacity), at: number)
        }
        serveQueue(of: number)
    }

    /// Resets all connections that a server has.
    mutating func cutConnections(to server: Int) {
        for slot in 0..<sessions.end where sessions.isTaken(slot) {
            let session = sessions.pointer(to: slot)
            guard session.pointee.dial.server?.id == server, session.pointee.stage == .relaying else { continue }
            abort(slot, .serverDown, by: .proxy)
        }
    }
}

extension PeerAddress {
    /// The same for all connections of a client, and on every machine.
    var balancingKey: UInt64 {
        guard case .internet(let address) = self else { return 0 }
        return KeyHash.address(high: address.high, low: address.low)
    }
}
