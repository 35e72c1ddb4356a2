package import EventLoop
import Randomness
package import Sockets

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
    var heldMemory = HeldMemory()
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
    static var listenerToken: Token { Token(slot: 0, generation: 0, kind: Kind.listener) }

    enum Kind {
        static var waker: UInt8 { 0 }
        static var listener: UInt8 { 1 }
        static var connection: UInt8 { 2 }
    }

    /// Slots of the worker's own timers; they follow the timers of the connections, one per connection slot.
    static var ownTimers: Int { 3 }
    var acceptTimer: Int { connections.capacity }
    var drainTimer: Int { connections.capacity + 1 }
    var stallTimer: Int { connections.capacity + 2 }

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
        if let stall = behavior.stall, stall.isStalled(now, from: start) != isStalled { changeStall() }
        var index = 0
        while index < count {
            handle(system.event(index))
            index += 1
        }
        visitReady(listed)
        // After all events that there are, so that a time limit ends no connection whose event has not been handled.
        if system.mayHaveTimedOut { expireTimers() }
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
            if acceptPause == nil { acceptBatch(EchoLimits.acceptsPerTurn) }
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
