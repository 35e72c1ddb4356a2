package import Sockets
package import Workers

/// One thread's share of an echo server: a listener, its connections, and the loop that serves them.
///
/// Generic over the system, so that tests can run it on a scripted one.
package struct EchoWorker<S: System & ~Copyable>: ~Copyable {
    var system: S
    var listener: Descriptor?
    var connections: Slab<EchoConnection>
    var timers: TimerWheel
    /// Connections that could go on but have had their turn; they are visited after the next wait.
    var ready: SlotQueue
    /// Lent to one receive or send at a time. For a source, and for a server that responds, it begins with the pattern, twice over so far that any offset has
    /// a full piece behind it.
    let buffer: UnsafeMutableRawBufferPointer
    let behaviour: Behaviour
    package let counters = WorkerCounters()
    package let mailbox: Mailbox<EchoCommand>
    /// The moment of the round that is running; up to date only where something depends on time.
    var now: Instant
    /// From when the periods of a stall count.
    var start: Instant
    var isStalled = false
    var acceptPause: AcceptPause?
    var isDraining = false
    /// When what is still open will be reset.
    var drainEnd: Instant?

    /// Why no connections are accepted just now.
    enum AcceptPause {
        case exhausted
        case stalled
    }

    /// - Parameters:
    ///   - system: whose waker reports under ``wakerToken``.
    ///   - listener: a listening socket that nobody else watches; it is closed if this throws.
    ///   - capacity: the most connections at the same time.
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
        behaviour = Behaviour(configuration)
        connections = Slab(capacity: capacity)
        ready = SlotQueue(capacity: capacity)
        timers = TimerWheel(capacity: capacity + Self.ownTimers, now: now)
        buffer = .allocate(byteCount: Behaviour.bufferSize(for: configuration.mode), alignment: 4096)
        if Behaviour.sendsPattern(configuration.mode) { BytePattern.fill(buffer) }
    }

    /// Under which the system's waker reports.
    package static var wakerToken: Token { Token(slot: 0, generation: 0, kind: Kind.waker) }
    private static var listenerToken: Token { Token(slot: 0, generation: 0, kind: Kind.listener) }

    private enum Kind {
        static var waker: UInt8 { 0 }
        static var listener: UInt8 { 1 }
        static var connection: UInt8 { 2 }
    }

    /// The worker's own timers come after those of the connections, one for each slot.
    static var ownTimers: Int { 3 }
    private var acceptTimer: Int { connections.capacity }
    private var drainTimer: Int { connections.capacity + 1 }
    private var stallTimer: Int { connections.capacity + 2 }

    func token(of slot: Int) -> Token {
        Token(slot: slot, generation: connections.generation(of: slot), kind: Kind.connection)
    }
}

/// What others may ask of a worker.
package enum EchoCommand: Sendable {
    /// To stop listening, and to reset what is still open after the grace.
    case drain(grace: Duration)
}

// MARK: - The loop

extension EchoWorker where S: ~Copyable {
    /// Serves until it has been told to drain and all connections are gone.
    package mutating func run() {
        begin()
        while !isDone { turn() }
    }

    /// What comes before the first turn.
    package mutating func begin() {
        now = system.now()
        start = now
        changeStall()
    }

    /// Nothing is open any more, and nothing will be.
    package var isDone: Bool { isDraining && connections.count == 0 }

    /// One round: waits, then serves whatever is ready.
    package mutating func turn() {
        let listed = ready.count
        // Nobody on the list may go on during a stall, so it is no reason not to wait.
        let deadline = listed == 0 || isStalled ? timers.nextWake : Instant(nanoseconds: 0)
        let count = system.wait(until: deadline)
        if behaviour.needsClock || timers.nextWake != nil { now = system.now() }
        // Before the events: one that has waited through a stall must not be served in it.
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
            // Whoever is on the list gets its turn there, in this round or the next.
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
            case drainTimer: cutAll()
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

    /// Visits those that were on the list when the round began.
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
        guard let stall = behaviour.stall else { return }
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
    /// How a connection came to its end.
    enum Ending {
        case ended
        case reset
        case closed
        case cut
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

    /// Puts a connection on the list of those that could go on.
    mutating func list(_ connection: UnsafeMutablePointer<EchoConnection>, _ slot: Int) {
        guard !connection.pointee.isListed else { return }
        connection.pointee.isListed = true
        ready.append(slot)
    }

    /// Ends a connection. Its slot may be somebody else's from then on.
    mutating func close(_ slot: Int, _ ending: Ending) {
        timers.cancel(slot)
        ready.remove(slot)
        let connection = connections.remove(slot)
        // Before the descriptor goes, so that whoever sees the end finds it counted.
        counters.active.add(-1)
        switch ending {
        case .ended: counters.ended.add(1)
        case .reset: counters.reset.add(1)
        case .closed: counters.closed.add(1)
        case .cut: counters.cut.add(1)
        }
        if case .cut = ending {
            system.abort(connection.descriptor)
        } else {
            system.close(connection.descriptor)
        }
        if case .exhausted = acceptPause { resumeAccepting() }
    }

    private mutating func cutAll() {
        var slot = 0
        while slot < connections.end {
            if connections.isTaken(slot) { close(slot, .cut) }
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
            // That one connection is gone already; the next may be well.
            case .failed(let error) where error.isReset: break
            // Whatever it is, to try again at once would spin.
            case .failed: return pauseAccepting(.exhausted)
            }
            accepted += 1
        }
    }

    private mutating func acceptNext() -> Accepted {
        switch listener {
        case .some(let listener): system.accept(from: listener)
        case .none: .wouldBlock
        }
    }

    private mutating func open(_ descriptor: consuming Descriptor) {
        let seed = behaviour.seed &+ UInt64(counters.total.value)
        let slot = connections.insert(EchoConnection(descriptor: descriptor, seed: seed))
        counters.total.add(1)
        counters.active.add(1)
        let connection = connections.pointer(to: slot)
        // The event that follows at once, since it can be written to, also tells whether bytes are there already.
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

    /// Level-triggered, so that a queue which a batch did not empty is told again. The workers of a Unix socket share
    /// its queue and all wake up for a connection; those that come late find nothing.
    private mutating func watchListener(_ isWatched: Bool) {
        switch listener {
        case .none: break
        case .some(let listener):
            // It is registered, and what it is registered for takes no memory, so this cannot fail (epoll_ctl(2)).
            _ = system.reregister(listener, for: isWatched ? .readable : [], token: Self.listenerToken)
        }
    }
}

// MARK: - The end

extension EchoWorker where S: ~Copyable {
    private mutating func drain(grace: Duration) {
        // What the kernel has accepted on our behalf is a connection in the client's eyes.
        if !isDraining { acceptBatch(behaviour.backlog) }
        isDraining = true
        closeListener()
        timers.cancel(acceptTimer)
        now = system.now()
        let end = now + grace
        if let earlier = drainEnd, earlier <= end { return }
        drainEnd = end
        if end <= now { cutAll() } else { timers.schedule(drainTimer, at: end) }
    }

    private mutating func closeListener() {
        if let listener = listener.take() { system.close(listener) }
    }

    /// Closes everything; a worker must end by this.
    package consuming func dismantle() {
        cutAll()
        closeListener()
        buffer.deallocate()
    }
}

/// How much of each thing a worker does at most before others get their turn.
enum Limits {
    /// Connections accepted in a row.
    static var acceptsPerTurn: Int { 64 }
    /// Receives and sends in a row for one connection.
    static var operationsPerTurn: Int { 8 }
    /// How long accepting stops when there are no descriptors or no memory left.
    static var acceptPause: Duration { .milliseconds(100) }
    /// How long a connection that we have ended waits for the client's end.
    static var linger: Duration { .seconds(5) }
}
