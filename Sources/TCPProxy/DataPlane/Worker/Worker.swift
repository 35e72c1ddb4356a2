import EventLoop
import Relay
import Sockets
import TLS

/// The state of one thread of the proxy: its listening sockets, connections and timers. A worker owns a connection from
/// accept, or from its handover by another worker, to close.
///
/// Synchronous, and generic over the system, so that tests run all of it on a simulated system. Other threads send it
/// messages through its mailbox and read its counters.
///
/// Non-mutating methods must be `@inline(__always)`: calling one that is not inlined makes the compiler copy the whole
/// worker to the stack. Checked by `.ci/hot-path`.
struct Worker<S: RelaySystem & ~Copyable>: ~Copyable {
    typealias Slot = Int

    let index: Int
    let settings: WorkerSettings
    let shared: WorkerShared
    var system: S
    var listeners = Listeners()
    var pools = WorkerPoolTable()
    /// The links of all pools' queues.
    let queueLinks: IndexedFIFO.Links
    var sessions: Slab<Session>
    var prereadBuffers: SparseSlotTable<PrereadBuffer>
    var bandwidthAllowances: SparseSlotTable<BandwidthAllowance>
    /// The TLS sessions of clients and servers.
    var clientTransforms: SparseSlotTable<TransformedEndpoint<S.Transform>>
    var serverTransforms: SparseSlotTable<TransformedEndpoint<S.Transform>>
    var buffers: RelayBuffers
    var timers: TimerWheel
    /// Connections in preread or in the TLS handshake with the client, the oldest first.
    var prereads: IndexedFIFO
    /// Connections whose TLS handshake can continue.
    var handshakes: IndexedFIFO
    /// Connections that may have more data to relay, visited after the next wait for fairness.
    var ready: IndexedFIFO
    var clients = ClientTable()
    var clock: TurnClock
    /// The number of connections in ``ready`` that were there before this wakeup and have not yet been visited.
    var readyBefore = 0
    var pause: AcceptPause?
    /// The number of connections whose attempt waits for a descriptor or memory; they take precedence over accepting.
    var starvedDials = 0
    var opened: UInt64 = 0
    var isStopping = false
    /// Whether all connections have been reset; connections handed over later are reset, too.
    var isForced = false
    var hasWrittenEvents = false
    /// Whether examples of denied connections have been written since the last wakeup.
    var hasWrittenDenials = false

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
        let capacity = shared.connectionLimiter.limit
        buffers = RelayBuffers(engine: settings.engine, pipes: settings.pipes, batching: settings.batching)
        sessions = Slab(capacity: capacity)
        prereadBuffers = SparseSlotTable(capacity: capacity)
        bandwidthAllowances = SparseSlotTable(capacity: capacity)
        clientTransforms = SparseSlotTable(capacity: capacity)
        serverTransforms = SparseSlotTable(capacity: capacity)
        handshakes = IndexedFIFO(capacity: capacity)
        prereads = IndexedFIFO(capacity: capacity)
        ready = IndexedFIFO(capacity: capacity)
        queueLinks = IndexedFIFO.Links(capacity: capacity)
        timers = TimerWheel(capacity: capacity + 3, now: now)
    }

    /// The time of this wakeup.
    var now: Instant {
        mutating get { clock.now(on: &system) }
    }

    /// The index of the timer that retries accepting. Timers below it belong to connections.
    var acceptTimer: Int { sessions.capacity }

    /// The index of the timer that closes unused pipes.
    var pipeTimer: Int { sessions.capacity + 1 }

    /// The index of the timer that drains and closes listening sockets after ``WorkerSettings/handshakeTimeout``.
    var listenerCloseTimer: Int { sessions.capacity + 2 }

    /// Runs until the worker has been stopped and its last connection has ended.
    mutating func run() {
        if let error = watchListeners() {
            preconditionFailure("cannot register the listening sockets: \(error)")
        }
        repeat {
            while !isDone { turn() }
            // A worker that read the loads before this worker was marked as closed may have handed over a connection
            // since.
            receiveMessages()
        } while !isDone || !shared.mailboxes[index].closeIfEmpty()
    }

    /// Closes the spare pipes, closes the mailbox and answers pending queries.
    mutating func finish() {
        buffers.pipes.closeSpares(on: &system)
        for message in shared.mailboxes[index].close() {
            switch message {
            case .gather(let gather): gather.report(clientStatistics())
            case .connections(_, let gather): gather.report(nil)
            case .findIdle(_, let gather): gather.report(nil)
            case .closeIdle(_, let gather): gather.report(nil)
            case .resumeAccepting: if let waiting = shared.connectionLimiter.nextWaiting() { wake(waiting) }
            default: break
            }
        }
    }

    var isDone: Bool { isStopping && !listeners.isAnyOpen && sessions.count == 0 }

    /// The time of the next wakeup without an event; nil if there is none.
    @inline(__always)
    var nextDeadline: Instant? {
        ready.isEmpty && handshakes.isEmpty && !hasListenersToResume ? timers.nextWake : Instant(nanoseconds: 0)
    }

    /// Handles one wakeup: waits, then processes events, ready connections and timers.
    ///
    /// Always inlined, so that `.ci/hot-path` finds the loop around the wait.
    @inline(__always)
    mutating func turn() {
        let events = system.wait(until: nextDeadline)
        clock.advance()
        readyBefore = ready.count
        for index in 0..<events { handle(system.event(index)) }
        visitReady()
        if !handshakes.isEmpty { continueHandshakes() }
        if system.mayHaveTimedOut { expireTimers() }
        if hasListenersToResume { resumeListeners() }
        publishBufferCounters()
        if hasWrittenEvents {
            hasWrittenEvents = false
            shared.hub.notify()
        }
        if hasWrittenDenials {
            hasWrittenDenials = false
            shared.hub.notifyDenied()
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
            acceptBatch(event.token.slot, isReported: true)
        case .mailbox:
            receiveMessages()
        }
    }

    private mutating func endpointChanged(_ slot: Slot) {
        let session = sessions.pointer(to: slot)
        switch session.pointee.stage {
        case .preread:
            if session.pointee.duplex.client.failure == nil { readPreread(slot) } else { deny(slot, .prereadEnded) }
        case .queued, .dialing:
            // The client failed before a server was connected. (A FIN alone does not count: the data before it is still
            // relayed.)
            if session.pointee.duplex.client.failure != nil {
                shared.counters.add(1, to: .failure(.clientGone))
                abort(slot, .reset, by: .client)
            }
        case .handshake:
            if session.pointee.duplex.client.failure == nil { queueHandshake(slot) } else { deny(slot, .prereadEnded) }
        case .securing:
            serverHandshakeProgressed(slot)
        case .relaying, .drainingBeforeReset:
            // This visit replaces the one in the ready queue; one per wakeup is enough.
            if ready.remove(slot) { readyBefore -= 1 }
            relay(slot)
        }
    }

    /// Visits only the connections that were ready before this wakeup; a connection added now is visited after the next
    /// wait.
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
            case listenerCloseTimer: drainAcceptQueues()
            default: deadlineReached(timer)
            }
        }
    }

    private mutating func receiveMessages() {
        for message in shared.mailboxes[index].takeAll() { handle(message) }
    }

    private mutating func handle(_ message: WorkerMessage) {
        switch message {
        case .adopt(let number, let peer, let listener):
            adopt(Descriptor(adopting: number), peer, from: listener)
        case .resumeAccepting:
            retryAccept()
        case .evictPreread:
            _ = evictPreread()
        case .change(let change):
            self.change(to: change)
        case .pool(let plan, let number, let latch):
            setPool(plan, at: number)
            latch?.report()
        case .slotReleased(let pool, let asked):
            dispatchQueue(of: pool, asked: asked)
        case .closeConnections(to: let server):
            closeConnections(to: server)
        case .gather(let gather):
            gather.report(clientStatistics())
        case .connections(let query, let gather):
            gather.report(answer(query))
        case .findIdle(let server, let gather):
            gather.report(idleConnections(of: server))
        case .closeIdle(let ids, let gather):
            gather.report(closeIdle(ids))
        case .stopAccepting:
            stopAccepting()
        case .closeAll:
            endListening()
            isForced = true
            closeListeners()
            for slot in 0..<sessions.end where sessions.isTaken(slot) { abort(slot, .forced, by: .proxy) }
        }
    }
}
