import Relay
import Sockets
import Workers

/// One thread's share of a proxy: its listening sockets, its connections, its timers. It owns a connection from accept to
/// close.
///
/// Synchronous, and generic over the system so that all of it runs on a scripted one in tests. Other threads reach it
/// through its mailbox; what it publishes they read from its counters.
///
/// Its methods that change nothing are always inlined: where they are called the compiler copies all of the worker onto the
/// stack. `.ci/hot-path` watches for that.
struct Worker<S: System & ~Copyable>: ~Copyable {
    typealias Slot = Int

    let index: Int
    let settings: WorkerSettings
    let shared: WorkerShared
    var system: S
    var listeners = Listeners()
    var pools = Pools()
    var sessions: Slab<Session>
    var prefaces: SideTable<Preface>
    var budgets: SideTable<Budget>
    var buffers: RelayBuffers
    var timers: TimerWheel
    /// Connections that may have more to move, visited after the next wait so that all get their turn.
    var ready: SlotQueue
    var clients = ClientTable()
    var clock: TurnClock
    /// How many of ``ready`` were there before this wake-up, and have not had their turn.
    var readyBefore = 0
    var pause: AcceptPause?
    /// Connections whose attempt waits for a descriptor or for memory: what becomes free is theirs before anybody is
    /// accepted.
    var dialsLacking = 0
    var opened: UInt64 = 0
    var isStopping = false
    /// All connections have been reset, and so is whatever still comes.
    var isCut = false
    var hasWrittenEvents = false

    init(
        index: Int,
        system: consuming S,
        settings: WorkerSettings,
        shared: WorkerShared
    ) {
        self.index = index
        self.settings = settings
        self.shared = shared
        self.system = system
        let now = self.system.now()
        clock = TurnClock(now)
        let capacity = shared.admission.limit
        buffers = RelayBuffers(engine: settings.engine, pipes: settings.pipes, batching: settings.batching)
        sessions = Slab(capacity: capacity)
        prefaces = SideTable(capacity: capacity)
        budgets = SideTable(capacity: capacity)
        ready = SlotQueue(capacity: capacity)
        timers = TimerWheel(capacity: capacity + 3, now: now)
    }

    /// The time of this wake-up.
    var now: Instant {
        mutating get { clock.now(on: &system) }
    }

    /// The timer that is nobody's connection: when to try to accept again.
    var acceptTimer: Int { sessions.capacity }

    /// The timer after which unused pipes are closed.
    var pipeTimer: Int { sessions.capacity + 1 }

    /// When a socket that is to be closed has got all that were about to come.
    var lastCallTimer: Int { sessions.capacity + 2 }

    /// Serves until it has been told to stop and its last connection has ended.
    mutating func run() {
        if let error = watchListeners() {
            preconditionFailure("cannot watch the listening sockets: \(error)")
        }
        repeat {
            while !isDone { turn() }
            // Whoever looked at the loads before they said that this worker ends may have handed something over since.
            takeMessages()
        } while !isDone || !shared.mailboxes[index].closeIfEmpty()
    }

    /// Gives back what it keeps for connections to come, and answers whoever still waits for it. Nobody can reach it any
    /// more from then on.
    mutating func finish() {
        buffers.pipes.closeSpares(on: &system)
        for message in shared.mailboxes[index].close() {
            switch message {
            case .sweep(let sweep): sweep.report(clientFigures())
            case .connections(_, let sweep): sweep.report(nil)
            case .resumeAccepting: if let waiting = shared.admission.nextWaiting() { wake(waiting) }
            default: break
            }
        }
    }

    var isDone: Bool { isStopping && !listeners.isAnyOpen && sessions.count == 0 }

    /// When there is something to do even if no event comes; nil if there is nothing.
    var nextDeadline: Instant? { ready.isEmpty ? timers.nextWake : Instant(nanoseconds: 0) }

    /// One wake-up: waits, then does all that there is to do.
    ///
    /// Always inlined, so that the loop that `.ci/hot-path` begins with is found around the wait.
    @inline(__always)
    mutating func turn() {
        let events = system.wait(until: nextDeadline)
        clock.advance()
        readyBefore = ready.count
        for index in 0..<events { handle(system.event(index)) }
        visitReady()
        if system.mayHaveTimedOut { expireTimers() }
        publishPipes()
        if hasWrittenEvents {
            hasWrittenEvents = false
            shared.hub.notify()
        }
    }

    private mutating func handle(_ event: PollEvent) {
        switch TokenKind(event.token) {
        case .client:
            guard let session = sessions.find(event.token.slot, generation: event.token.generation) else { return }
            session.pointee.duplex.client.note(event.readiness)
            if event.readiness.contains(.failed) { session.pointee.duplex.takeFailure(of: .client, on: &system) }
            endpointChanged(event.token.slot)
        case .server(let attempt):
            guard let session = sessions.find(event.token.slot, generation: event.token.generation),
                session.pointee.dial.tag == attempt, session.pointee.duplex.server.descriptor != nil
            else { return }
            if session.pointee.stage == .dialing {
                dialProgressed(event.token.slot, event.readiness)
            } else {
                session.pointee.duplex.server.note(event.readiness)
                if event.readiness.contains(.failed) { session.pointee.duplex.takeFailure(of: .server, on: &system) }
                endpointChanged(event.token.slot)
            }
        case .listener:
            acceptBatch(event.token.slot)
        case .mailbox:
            takeMessages()
        }
    }

    private mutating func endpointChanged(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        switch session.pointee.stage {
        case .preface:
            if session.pointee.duplex.client.failure == nil { readPreface(slot) } else { deny(slot, .prefaceEnded) }
        case .queued, .dialing:
            // The client is gone before it had a server. (Its FIN alone is no reason: what it sent still counts.)
            if session.pointee.duplex.client.failure != nil {
                shared.counters.add(1, to: .failure(.clientGone))
                abort(slot, .reset, by: .client)
            }
        case .relaying, .delivering:
            // This is its turn, and one for each wake-up is enough.
            if ready.remove(slot) { readyBefore -= 1 }
            relay(slot)
        }
    }

    /// Only those that were there before this wake-up: one that joins now has its turn after the next wait.
    private mutating func visitReady() {
        while readyBefore > 0, let slot = ready.popFirst() {
            readyBefore -= 1
            relay(slot)
        }
    }

    private mutating func expireTimers() {
        let now = now
        timers.advance(to: now)
        while let timer = timers.nextExpired() {
            switch timer {
            case acceptTimer: resumeAccepting()
            case pipeTimer: buffers.pipes.closeSparesIfUnused(on: &system)
            case lastCallTimer: lastCall()
            default: deadlineReached(timer)
            }
        }
    }

    private mutating func takeMessages() {
        for message in shared.mailboxes[index].takeAll() { handle(message) }
    }

    private mutating func handle(_ message: WorkerMessage) {
        switch message {
        case .adopt(let number, let peer, let listener):
            adopt(Descriptor(adopting: number), peer, from: listener)
        case .resumeAccepting:
            placeFreed()
        case .change(let change):
            self.change(to: change)
        case .pool(let plan, let number, let acknowledgement):
            setPool(plan, at: number)
            acknowledgement?.report()
        case .placeFree(let pool, let asked):
            serveQueue(of: pool, asked: asked)
        case .cutServer(let server):
            cutConnections(to: server)
        case .sweep(let sweep):
            sweep.report(clientFigures())
        case .connections(let query, let sweep):
            sweep.report(answer(query))
        case .stopAccepting:
            stopAccepting()
        case .cut:
            endListening()
            isCut = true
            closeListeners()
            for slot in 0..<sessions.end where sessions.isTaken(slot) { abort(slot, .cut, by: .proxy) }
        }
    }
}

/// What a token's kind byte says.
enum TokenKind {
    case listener
    case mailbox
    case client
    /// With the low bits of the attempt's number, so that an event of an abandoned attempt is told from one of the next.
    case server(UInt8)

    init(_ token: Token) {
        switch token.kind {
        case 0: self = .listener
        case 1: self = .mailbox
        case 2: self = .client
        default: self = .server(token.kind & 0x7F)
        }
    }

    var rawValue: UInt8 {
        switch self {
        case .listener: 0
        case .mailbox: 1
        case .client: 2
        case .server(let attempt): 0x80 | attempt
        }
    }

    /// The token of something that a worker has only one of.
    var only: Token { numbered(0) }

    /// The token of something that a worker keeps for good.
    func numbered(_ number: Int) -> Token { Token(slot: number, generation: 0, kind: rawValue) }
}

extension Dial {
    /// Tells an attempt from those before it in a token.
    var tag: UInt8 { UInt8(truncatingIfNeeded: attempts) & 0x7F }
}

/// What a worker is told when it is made.
struct WorkerSettings: Sendable {
    var engine: Engine
    /// The most pipes that one worker splices through at once.
    var pipes: Int
    /// When directions batch their reads.
    var batching = BatchingPolicy()

    /// How many connections one wake-up accepts before others get their turn.
    static var acceptsPerWakeUp: Int { 32 }
    /// A worker is handed over nothing more while so many messages wait for it.
    static var handedOverAtMost: Int { 256 }
    /// How long a worker that lacked descriptors or memory to accept waits, unless one of its connections ends first.
    static var acceptRetry: Duration { .milliseconds(100) }
    /// How long handshakes under way may take when accepting is to end. A client further away is reset in the worst case.
    static var handshakeEnd: Duration { .milliseconds(100) }
    /// How long an attempt to connect that lacked them waits.
    static var dialRetry: Duration { .milliseconds(20) }
    /// A connection of this age is one that lasts. Most end before, and need not be prepared for silence.
    static var lastingAge: Duration { .seconds(1) }
    /// How long pipes are kept unused, at least; at most twice as long.
    static var pipeRest: Duration { .seconds(2) }
    /// How soon, and then at most how rarely, a worker looks whether a reset can go out.
    static var deliveryLooks: ClosedRange<Duration> { .milliseconds(1)...(.milliseconds(64)) }
}

/// What a worker shares with the rest of the proxy; its owner outlives the worker's thread.
struct WorkerShared: Sendable {
    let admission: Admission
    let loads: WorkerLoads
    let counters: CounterPage
    let serverFigures: FigureTable<ServerFigure>
    let listenerFigures: FigureTable<ListenerFigure>
    let poolFigures: FigureTable<PoolFigure>
    let limits: ListenerLimitsTable
    let events: EventRing<MetricEvent>
    /// Where ends of connections are recorded; nil where nobody asked for that.
    let records: EventRing<ConnectionRecord>?
    let hub: EventHub
    let mailboxes: [Mailbox<WorkerMessage>]
    /// Another one in each process, so that not all replicas begin with the same server.
    var seed: UInt64 = 0
}

/// What the control plane, or another worker, tells a worker.
enum WorkerMessage: Sendable {
    /// A connection that another worker has accepted, by its descriptor's number.
    case adopt(Int32, PeerAddress, listener: Int)
    /// A place has become free.
    case resumeAccepting
    /// Other listeners and pools from now on.
    indirect case change(WorkerChange)
    /// A pool as it is from now on.
    case pool(PoolPlan, at: Int, Acknowledgement?)
    /// A place at a server of this pool has become free. If nobody can use it here, those without a bit may be asked.
    case placeFree(pool: Int, asked: UInt64)
    /// Reset the connections to a server, by its number.
    case cutServer(Int)
    case sweep(ClientSweep)
    indirect case connections(ConnectionQuery, Sweep<ConnectionAnswer>)
    /// Accept what is in the queues or about to be, close the listening sockets, and end with the last connection.
    case stopAccepting
    /// Close the listening sockets, and reset all connections.
    case cut
}
