import Randomness
package import Sockets
package import EventLoop

/// One worker thread of an echo server: a listening socket, its connections, and the event loop.
///
/// Generic over the system, so that tests can run it on a simulated one.
package struct EchoWorker<S: System & ~Copyable>: ~Copyable {
    var system: S
    var listener: Descriptor?
    var connections: Slab<EchoConnection>
    var timers: TimerWheel
    /// Connections that can continue but have had their turn; they are served again after the next wait.
    var ready: IndexedFIFO
    /// Shared by all receives and sends, one at a time. In the modes `source` and `respond` it starts with the pattern,
    /// repeated far enough that a full transfer can start at any offset of a period.
    let buffer: UnsafeMutableRawBufferPointer
    let behavior: Behavior
    package let counters = WorkerCounters()
    package let mailbox: Mailbox<EchoCommand>
    /// The time of the current loop iteration; updated only if something depends on it.
    var now: Instant
    /// The start of the first stall period.
    var start: Instant
    var isStalled = false
    var acceptPause: AcceptPause?
    var isDraining = false
    /// When the connections that are still open will be reset.
    var drainEnd: Instant?

    /// The reason why accepting is paused.
    enum AcceptPause {
        case exhausted
        case stalled
    }

    /// - Parameters:
    ///   - system: its waker must report events with ``wakerToken``.
    ///   - listener: a listening socket that is not registered with another poller; closed if this throws.
    ///   - capacity: maximum number of concurrent connections.
    package init(
        system: consuming S,
        listener: consuming Descriptor,
        capacity: Int,
        configuration: EchoServer.Configuration
    ) throws(SystemError) {
        if let error = system.register(listener, for: .readable, token: Self.listenerToken) {
            system.close(listener)
            throw error
        }
        now = system.now()
        start = now
        mailbox = Mailbox(waker: system.waker)
        self.system = system
        self.listener = consume listener
        behavior = Behavior(configuration)
        connections = Slab(capacity: capacity)
        ready = IndexedFIFO(capacity: capacity)
        timers = TimerWheel(capacity: capacity + Self.ownTimers, now: now)
        buffer = .allocate(byteCount: Behavior.bufferSize(for: configuration.mode), alignment: 4096)
        if Behavior.sendsPattern(configuration.mode) { BytePattern.fill(buffer) }
    }

    /// The token of the system's waker.
    package static var wakerToken: Token { Token(slot: 0, generation: 0, kind: Kind.waker) }
    private static var listenerToken: Token { Token(slot: 0, generation: 0, kind: Kind.listener) }

    private enum Kind {
        static var waker: UInt8 { 0 }
        static var listener: UInt8 { 1 }
        static var connection: UInt8 { 2 }
    }

    /// Slots of the worker's own timers; they follow the timers of the connections, one per connection slot.
    static var ownTimers: Int { 3 }
    private var acceptTimer: Int { connections.capacity }
    private var drainTimer: Int { connections.capacity + 1 }
    private var stallTimer: Int { connections.capacity + 2 }

    func token(of slot: Int) -> Token {
        Token(slot: slot, generation: connections.generation(of: slot), kind: Kind.connection)
    }
}

/// A command to a worker from another thread.
package enum EchoCommand: Sendable {
    /// Stop listening, and reset the connections that are still open after the grace period.
    case drain(grace: Duration)
}

// MARK: - The loop

extension EchoWorker where S: ~Copyable {
    /// Serves until a drain was requested and all connections are closed.
    package mutating func run() {
        begin()
        while !isDone { turn() }
    }

    /// Prepares the first loop iteration.
    package mutating func begin() {
        now = system.now()
        start = now
        changeStall()
    }

    /// Whether no connection is open and none will be accepted.
    package var isDone: Bool { isDraining && connections.count == 0 }

    /// Runs one loop iteration: waits, then handles the events.
    package mutating func turn() {
        let listed = ready.count
        // Listed connections must not continue during a stall, so they do not prevent a wait.
        let deadline = listed == 0 || isStalled ? timers.nextWake : Instant(nanoseconds: 0)
        let count = system.wait(until: deadline)
        if behavior.needsClock || timers.nextWake != nil { now = system.now() }
        // Before the events, so that no event is served during a stall that began while waiting.
        expireTimers()
        var index = 0
        while index < count {
            handle(system.event(index))
            index += 1
        }
        visitReady(listed)
    }

    private mutating func handle(_ event: PollEvent) {
        switch event.token.kind {
        case Kind.connection:
            let slot = event.token.slot
            guard let connection = connections.find(slot, generation: event.token.generation) else { return }
            connection.pointee.note(event.readiness)
            // A listed connection gets its turn from the list, in this iteration or the next.
            if !connection.pointee.isListed { serve(connection, slot) }
        case Kind.listener:
            if acceptPause == nil { acceptBatch(Limits.acceptsPerTurn) }
        default:
            for command in mailbox.takeAll() {
                switch command {
                case .drain(let grace): drain(grace: grace)
                }
            }
        }
    }

    private mutating func expireTimers() {
        timers.advance(to: now)
        while let timer = timers.nextExpired() {
            switch timer {
            case acceptTimer: resumeAccepting()
            case drainTimer: forceCloseAll()
            case stallTimer: changeStall()
            default:
                let connection = connections.pointer(to: timer)
                if connection.pointee.phase == .lingering {
                    close(timer, .closed)
                } else if !connection.pointee.isListed {
                    serve(connection, timer)
                }
            }
        }
    }

    /// Serves the connections that were in the ready list when the iteration began.
    private mutating func visitReady(_ listed: Int) {
        guard !isStalled else { return }
        var left = min(listed, ready.count)
        while left > 0, let slot = ready.popFirst() {
            left -= 1
            let connection = connections.pointer(to: slot)
            connection.pointee.isListed = false
            serve(connection, slot)
        }
    }

    private mutating func changeStall() {
        guard let stall = behavior.stall else { return }
        isStalled = stall.isStalled(now, from: start)
        timers.schedule(stallTimer, at: stall.change(after: now, from: start))
        if isStalled {
            pauseAccepting(.stalled)
        } else if case .stalled = acceptPause {
            resumeAccepting()
        }
    }
}

// MARK: - Connections

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
        do throws(SystemError) {
            switch try step(connection, slot) {
            case .waits: break
            case .hasMore: list(connection, slot)
            case .finished: try finish(connection, slot)
            case .over(let ending): close(slot, ending)
            }
        } catch {
            close(slot, .reset)
        }
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
        let connection = connections.remove(slot)
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

    private mutating func forceCloseAll() {
        var slot = 0
        while slot < connections.end {
            if connections.isTaken(slot) { close(slot, .forced) }
            slot += 1
        }
    }
}

// MARK: - Accepting

extension EchoWorker where S: ~Copyable {
    private mutating func acceptBatch(_ limit: Int) {
        var accepted = 0
        while accepted < limit {
            guard connections.count < connections.capacity else { return pauseAccepting(.exhausted) }
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

    private mutating func acceptNext() -> AcceptResult {
        switch listener {
        case .some(let listener): system.accept(from: listener)
        case .none: .wouldBlock
        }
    }

    private mutating func open(_ descriptor: consuming Descriptor) {
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

    private mutating func pauseAccepting(_ pause: AcceptPause) {
        if case .exhausted = pause {
            counters.acceptPauses.add(1)
            now = system.now()
            timers.schedule(acceptTimer, at: now + Limits.acceptPause)
        } else {
            timers.cancel(acceptTimer)
        }
        acceptPause = pause
        watchListener(false)
    }

    private mutating func resumeAccepting() {
        guard acceptPause != nil else { return }
        acceptPause = nil
        timers.cancel(acceptTimer)
        watchListener(true)
    }

    /// Enables or disables accept events. They are level-triggered, so a backlog that one batch did not empty is
    /// reported again. The workers of a Unix socket share its backlog and all wake up for a connection; the late ones
    /// find nothing.
    private mutating func watchListener(_ isWatched: Bool) {
        switch listener {
        case .none: break
        case .some(let listener):
            // It is already registered, and changing the event mask allocates no memory, so this cannot fail
            // (epoll_ctl(2)).
            _ = system.modify(listener, for: isWatched ? .readable : [], token: Self.listenerToken)
        }
    }
}

// MARK: - The end

extension EchoWorker where S: ~Copyable {
    private mutating func drain(grace: Duration) {
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

    private mutating func closeListener() {
        if let listener = listener.take() { system.close(listener) }
    }

    /// Closes everything; must be called at the end of a worker's life.
    package consuming func dismantle() {
        forceCloseAll()
        closeListener()
        buffer.deallocate()
    }
}

/// Upper bounds on consecutive work, so that other connections get their turn, and durations of pauses.
enum Limits {
    /// Connections accepted per event.
    static var acceptsPerTurn: Int { 64 }
    /// Receives and sends per turn of a connection.
    static var operationsPerTurn: Int { 8 }
    /// Pause of accepting when the process is out of descriptors or memory.
    static var acceptPause: Duration { .milliseconds(100) }
    /// Maximum time that a connection closed by the server waits for the client's FIN.
    static var linger: Duration { .seconds(5) }
}
