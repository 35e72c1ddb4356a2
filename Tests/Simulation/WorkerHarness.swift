import EventLoop
import FakeSystem
import Sockets
import TLS

/// The workers of a proxy and their shared state, in a world whose clock only this class advances.
///
/// A worker gets a turn only if its wait would have returned, and possibly later, as on a busy machine.
final class WorkerHarness {
    final class Member {
        var worker: Worker<FakeSystem>
        let poller: FakePoller
        /// The thread is not scheduled before this moment.
        fileprivate(set) var awaitsProcessorUntil = Instant(nanoseconds: 0)
        fileprivate var isRunning = false

        init(_ worker: consuming Worker<FakeSystem>, poller: FakePoller) {
            self.worker = worker
            self.poller = poller
        }

        /// Its listening socket, until it is closed.
        var listener: Int32? { ConnectionTrace.number(worker.listeners.pointer(to: 0).pointee.descriptor) }

        /// Whether its thread has ended. A worker that is done may still have received handed-over connections.
        var hasEnded: Bool { worker.isDone && !poller.hasEvents }

        /// When its wait returns; nil if nothing known now makes it return.
        fileprivate func nextTurn(_ now: Instant) -> Instant? {
            guard !hasEnded else { return nil }
            guard let due = poller.hasEvents ? now : worker.nextDeadline else { return nil }
            return max(due, awaitsProcessorUntil)
        }
    }

    let world: FakeWorld
    let address: SocketAddress
    let settings: WorkerSettings
    let memory: SharedMemory
    let pools: PoolRegistry
    let hub: EventHub
    let mailboxes: [Mailbox<WorkerMessage>]
    let members: [Member]
    /// Called after each turn.
    var onTurn: (Member) -> Void = { _ in }
    /// Called when nothing more happens without time passing.
    var onRest: () -> Void = {}
    /// Whether another worker runs between a worker and its next call.
    var isInterleaved: () -> Bool = { false }
    /// Scheduling delay of a worker that is due for a turn.
    var delayOfTurn: () -> Duration = { .zero }
    private(set) var turns = 0
    /// Whether workers had turn after turn without time passing.
    private(set) var isSpinning = false

    /// Number of turns without time passing above which a worker counts as spinning.
    private static let turnLimit = 50_000

    init(in world: FakeWorld, scenario: Scenario) throws(SystemError) {
        self.world = world
        address = scenario.address
        var settings = WorkerSettings(scenario.configuration)
        settings.batching = scenario.batching
        self.settings = settings
        memory = SharedMemory(workers: scenario.workers, limit: scenario.limit)
        pools = PoolRegistry(memory)
        let pool: PoolPlan
        do throws(ProxyError) {
            pool = try pools.add([scenario.pool(of: scenario.upstreams)])[0]
        } catch {
            preconditionFailure("\(error)")
        }
        hub = EventHub(memory: memory)
        let wakers = (0..<scenario.workers).map { _ in FakeWaker() }
        let mailboxes = wakers.map { Mailbox<WorkerMessage>(waker: $0) }
        self.mailboxes = mailboxes
        var members: [Member] = []
        for (index, waker) in wakers.enumerated() {
            let shared = memory.shared(with: index, hub: hub, mailboxes: mailboxes)
            members.append(try Self.makeMember(index, waker, in: world, scenario, settings, pool, shared))
        }
        self.members = members
    }

    private static func makeMember(
        _ index: Int,
        _ waker: FakeWaker,
        in world: FakeWorld,
        _ scenario: Scenario,
        _ settings: WorkerSettings,
        _ pool: PoolPlan,
        _ shared: WorkerShared
    ) throws(SystemError) -> Member {
        var system = FakeSystem(in: world, batch: scenario.batch, waker: waker, wakerToken: TokenKind.mailbox.only)
        let poller = system.poller
        let listener = try system.listen(
            at: scenario.address,
            options: ListenOptions(
                sharing: index == 0 ? .portOwner : .portMember,
                backlog: scenario.listener.backlog
            )
        )
        var worker = Worker(
            index: index,
            system: system,
            settings: settings,
            shared: shared
        )
        do throws(TLSError) {
            let tls = try scenario.listener.tls.map { tls throws(TLSError) in try ListenerTLSPlan(tls) }
            worker.addListener(listener, settings: ListenerSettings(scenario.listener, pool: 0, tls: tls))
        } catch {
            preconditionFailure("\(error)")
        }
        worker.setPool(pool, at: 0)
        let error = worker.watchListeners()
        precondition(error == nil, "nothing is wrong yet")
        return Member(worker, poller: poller)
    }

    // MARK: Time

    /// When the next event happens without further calls; nil if everything sleeps forever.
    var nextMoment: Instant? {
        var next = world.nextPlanned
        for member in members {
            guard let turn = member.nextTurn(world.clock) else { continue }
            next = min(next ?? turn, turn)
        }
        return next
    }

    /// Runs everything that happens until a moment, or until a condition holds or the workers spin.
    func advance(to end: Instant, orUntil isOver: () -> Bool) {
        settle()
        while !isSpinning, !isOver(), let next = nextMoment, next <= end {
            world.advance(to: next)
            settle()
        }
        if !isSpinning, !isOver() { world.advance(to: end) }
    }

    /// Runs everything that happens without time passing.
    private func settle() {
        var turnsNow = 0
        var progressed = true
        while progressed {
            progressed = false
            for member in members {
                guard let due = member.nextTurn(world.clock), due <= world.clock else { continue }
                if member.awaitsProcessorUntil < world.clock {
                    member.awaitsProcessorUntil = world.clock + delayOfTurn()
                    if member.awaitsProcessorUntil > world.clock { continue }
                }
                turn(member)
                turnsNow += 1
                progressed = true
            }
            if turnsNow > Self.turnLimit * members.count {
                isSpinning = true
                return
            }
        }
        onRest()
    }

    private func turn(_ member: Member) {
        member.isRunning = true
        member.worker.turn()
        member.isRunning = false
        turns += 1
        onTurn(member)
    }

    /// Runs turns of workers in the middle of each other's, as on several processors.
    func interleave() {
        world.onCall = { [unowned self] call in
            guard Self.races(call), isInterleaved(), let other = members.first(where: { isReady($0) }) else { return }
            turn(other)
        }
    }

    /// Whether the state that a call reads or changes is shared with other workers.
    private static func races(_ call: FakeCall) -> Bool {
        switch call {
        case .accept, .connect, .receive, .close, .abort: true
        default: false
        }
    }

    private func isReady(_ member: Member) -> Bool {
        guard !member.isRunning, !isHeldUp(member), let due = member.nextTurn(world.clock) else { return false }
        return due <= world.clock
    }

    /// Stops the process: no worker has a turn before the duration has passed.
    func stop(for duration: Duration) {
        for member in members { member.awaitsProcessorUntil = world.clock + duration }
    }

    /// When all workers have a processor again.
    var resumesAt: Instant { members.map(\.awaitsProcessorUntil).max() ?? world.clock }

    // MARK: Control plane

    func post(_ message: WorkerMessage, to member: Int? = nil) {
        for (index, mailbox) in mailboxes.enumerated() where member.map({ $0 == index }) ?? true {
            mailbox.post(message)
        }
    }

    /// Replaces the servers of the pool.
    func change(to servers: [ServerConfiguration]) {
        do throws(ProxyError) {
            guard let plan = try pools.change(0, to: servers) else { return }
            post(.pool(plan, at: 0, nil))
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// Marks a server as unavailable or available, as a health check does.
    func set(_ address: SocketAddress, isOpen: Bool) {
        guard let server = pools.entries[0].servers.first(where: { $0.configuration.address == address }) else {
            return
        }
        server.share.set(isOpen: isOpen)
        post(.slotReleased(pool: 0, asked: .all))
    }

    // MARK: Metrics

    /// A counter, summed over the workers.
    subscript(counter: Counter) -> Int { memory.pages.reduce(0) { $0 + $1[counter] } }

    /// Whether a worker is due and waits for a processor.
    func isHeldUp(_ member: Member) -> Bool { member.awaitsProcessorUntil > world.clock }

    /// The number of connections in a worker's published load, without the flag that it takes no more.
    func load(of member: Member) -> Int { memory.loads[member.worker.index] & ((1 << 40) - 1) }

    var active: Int { memory.connectionLimiter.active }
    var placesTaken: Int { memory.connectionLimiter.taken }
    var total: Int { memory.connectionLimiter.total }
    /// Whether no worker has anything left to do. One may still receive a message that no longer matters.
    var isDone: Bool { members.allSatisfy { $0.worker.isDone } }

    /// Number of successful connection attempts.
    var connected: Int { (0...DurationHistogram.bounds.count).reduce(0) { $0 + self[.connectTime(bucket: $1)] } }

    /// Number of closed connections.
    var closed: Int {
        CloseReason.allCases.reduce(0) { sum, reason in
            CloseInitiator.allCases.reduce(sum) { $0 + self[.closure(reason, $1)] }
        }
    }
}
