import EventLoop
import Sockets

/// One thread's share of a load test: its connections, and the event loop that sends, receives and measures.
///
/// Generic over the system, so that tests can run it on a simulated one with a simulated clock. Confined to one thread
/// from creation to end.
struct Generator<Network: LoadSystem & ~Copyable, Load: Workload & ~Copyable>: ~Copyable {
    typealias Link = UnsafeMutablePointer<Connection<Load.Exchange>>

    var system: Network
    var workload: Load
    let configuration: GeneratorPlan
    /// Whether each exchange has a connection of its own.
    let isPerExchange: Bool
    let isOpenLoop: Bool
    let isUnix: Bool
    let mailbox: Mailbox<GeneratorCommand>
    let outbox: Outbox
    /// Shared by all receives, one at a time.
    let buffer: UnsafeMutableRawBufferPointer
    /// The TLS states of the connections; nil without TLS.
    let channels: TLSChannels?

    var connections: Slab<Connection<Load.Exchange>>
    /// Connections that wait for a request, in FIFO order.
    var idle: IndexedFIFO
    /// Connections that can continue but have had their turn; they are served again after the next wait.
    var ready: IndexedFIFO
    var queue: DueQueue
    var schedule: Schedule?

    var stage = Stage.opening
    /// The clock at its last reading.
    var now: Instant
    var start = Instant(nanoseconds: .max)
    /// Requests due from here until `end` are measured.
    var measureFrom = Instant(nanoseconds: .max)
    var end = Instant(nanoseconds: .max)
    var nextDue = Instant(nanoseconds: .max)
    /// The time by which the stage must change.
    var stageDeadline: Instant
    var nextSweep: Instant
    var nextIntervalReport = Instant(nanoseconds: .max)
    var nextHousekeeping: Instant
    /// The time up to which deadlines may be judged.
    var processed: ProcessedEvents
    let sweepInterval: Duration
    /// When the thread last ran again after it had been stopped. Timeouts begin again then, because a time that was read
    /// before the stop may be that of a call made after it.
    var resumed = Instant(nanoseconds: 0)

    /// Number of connects in progress, including their handshakes, and of exchanges in progress.
    var dialing = 0
    var busy = 0
    /// Number of connects tried in stage `opening`.
    var attempts = 0
    var nextSource = 0
    var redialPause = Limits.firstRedialPause
    var nextDial: Instant

    var sample = Sample()
    var counts = Counts()
    var countsAtStart: Counts?
    var countsAtEnd: Counts?
    var measuredUntil = Instant(nanoseconds: 0)
    var interval = 0
    var steps: [StepSample]
    var maxQueueLength = 0

    /// Called once, when no more connections will be opened before the start.
    let opened: @Sendable (Opening) -> Void
    /// Called when a bulletin is available.
    let published: @Sendable () -> Void

    enum Stage {
        /// Connections are being established.
        case opening
        /// Connections are established; the start is unknown or in the future.
        case waiting
        case running
        /// No new requests are sent; outstanding responses are awaited.
        case draining
        case over
    }

    /// - Parameter system: its waker must report events with ``TokenKind/waker``.
    init(
        system: consuming Network,
        workload: consuming Load,
        configuration: GeneratorPlan,
        mailbox: Mailbox<GeneratorCommand>,
        outbox: Outbox,
        opened: @escaping @Sendable (Opening) -> Void = { _ in },
        published: @escaping @Sendable () -> Void = {}
    ) {
        self.system = system
        self.workload = workload
        self.configuration = configuration
        self.mailbox = mailbox
        self.outbox = outbox
        self.opened = opened
        self.published = published
        if case .perExchange = configuration.lifecycle { isPerExchange = true } else { isPerExchange = false }
        isOpenLoop = configuration.schedule != nil
        isUnix = configuration.target.isUnix
        schedule = configuration.schedule
        channels = configuration.tls.map { plan in
            TLSChannels(plan, slots: configuration.connections, bufferSize: configuration.bufferSize)
        }
        buffer = .allocate(
            byteCount: configuration.bufferSize + (configuration.tls == nil ? 0 : TLSChannels.maxCarriedOver),
            alignment: 4096
        )
        connections = Slab(capacity: configuration.connections)
        idle = IndexedFIFO(capacity: configuration.connections)
        ready = IndexedFIFO(capacity: configuration.connections)
        queue = DueQueue(limit: isOpenLoop ? configuration.queueLimit : 1)
        steps = Array(repeating: StepSample(), count: configuration.steps)
        let limits = Limits.sweepIntervals
        let shortest = min(configuration.timeout, configuration.connectTimeout)
        sweepInterval = min(max(shortest / 8, limits.lowerBound), limits.upperBound)

        now = self.system.now()
        processed = ProcessedEvents(
            until: now,
            eventsPerWait: self.system.eventsPerWait,
            descriptors: configuration.connections + 2
        )
        nextDial = now
        nextSweep = now + sweepInterval
        stageDeadline = now + configuration.connectTimeout + configuration.connectTimeout
        nextHousekeeping = min(nextSweep, stageDeadline)
    }

    deinit {
        buffer.deallocate()
    }
}

/// A command from the control plane to a generator.
enum GeneratorCommand: Sendable {
    /// Start at this time, which is the same for all threads.
    case start(at: Instant)
    /// End the measured time, wait for outstanding responses, and return.
    case stop
    /// Return immediately.
    case abort
}

/// The result of opening the connections.
struct Opening: Sendable {
    var established: Int
    var failures: LoadTest.FailureCounts
}

/// The kinds of tokens.
enum TokenKind {
    static var waker: UInt8 { 0 }
    static var timer: UInt8 { 1 }
    static var connection: UInt8 { 2 }
}

extension Token {
    static var loadWaker: Token { Token(slot: 0, generation: 0, kind: TokenKind.waker) }
    static var loadTimer: Token { Token(slot: 0, generation: 0, kind: TokenKind.timer) }
}

// MARK: - The loop

extension Generator where Network: ~Copyable, Load: ~Copyable {
    /// Runs the load test of one thread. Returns at its end, with all connections closed and the `ThreadResult` in the
    /// outbox.
    mutating func run() {
        if isPerExchange { settleOpening() } else { openMore() }
        while stage != .over { turn() }
        measureUnacknowledged()
        let counts = snapshot()
        closeAll()
        publishThreadResult(counts)
    }

    private mutating func turn() {
        let listed = ready.count
        let began = now
        let count = system.wait(until: listed > 0 ? Instant(nanoseconds: 0) : nextMoment)
        now = system.now()
        var index = 0
        while index < count {
            handle(system.event(index))
            index += 1
        }
        visitReady(listed)
        processed.note(began: began, events: count)
        if now >= nextHousekeeping { keepTime() }
        issue()
        if stage == .draining { drain() }
    }

    /// Ends the run as soon as no response is outstanding.
    private mutating func drain() {
        if configuration.lifecycle == .held, !workload.isEmpty { checkHeld() }
        if busy == 0, dialing == 0 || !isPerExchange { stage = .over }
    }

    /// The latest time for the next loop iteration. It always exists, so no wait is unbounded.
    private var nextMoment: Instant {
        guard stage == .running else { return nextHousekeeping }
        var moment = min(nextHousekeeping, nextDue)
        if mayDial { moment = min(moment, nextDial) }
        return moment
    }

    @inline(__always)
    private mutating func handle(_ event: PollEvent) {
        let token = event.token
        guard token.kind == TokenKind.connection else {
            if token.kind == TokenKind.waker { readMailbox() }
            return
        }
        guard let link = connections.find(token.slot, generation: token.generation) else { return }
        switch link.pointee.phase {
        case .busy: attend(token.slot, link, event.readiness)
        case .dialing: dialed(token.slot, link, event.readiness)
        case .securing: continueHandshake(token.slot, link, event.readiness)
        case .closing: continueClosing(token.slot, link, event.readiness)
        case .idle, .checked: disturbed(token.slot, link, event.readiness)
        }
    }

    /// Serves the connections that were in the ready list before the wait.
    private mutating func visitReady(_ listed: Int) {
        var rest = listed
        while rest > 0, let slot = ready.popFirst() {
            rest -= 1
            let link = connections.pointer(to: slot)
            if link.pointee.phase == .busy { attend(slot, link, .both) }
        }
    }

    mutating func readMailbox() {
        for command in mailbox.takeAll() {
            switch command {
            case .start(let moment): scheduleStart(at: moment)
            case .stop: stop()
            case .abort: abort()
            }
        }
    }

    func token(of slot: Int) -> Token {
        Token(slot: slot, generation: connections.generation(of: slot), kind: TokenKind.connection)
    }
}
