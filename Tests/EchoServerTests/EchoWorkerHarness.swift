import EchoServer
import EventLoop
import FakeSystem
import Sockets

/// A worker of an echo server in a fake world, stepped by the test.
///
/// Buffers are unlimited, so that only ``FakePeer/window`` limits what the worker can send.
final class EchoWorkerHarness {
    let world = FakeWorld()
    private static let address = SocketAddress.internet(InternetAddress(v4: 0x7F00_0001, port: 7))
    private let poller: FakePoller
    private var worker: EchoWorker<FakeSystem>?
    private let mailbox: Mailbox<EchoCommand>
    private let workerCounters: WorkerCounters

    init(
        capacity: Int = 10_000,
        _ configure: (inout EchoServer.Configuration) -> Void = { _ in }
    ) throws {
        var configuration = EchoServer.Configuration()
        configure(&configuration)
        world.sendBuffer = 1 << 40
        world.receiveBuffer = 1 << 40
        world.descriptorLimit = .max
        world.horizon = world.clock
        var system = FakeSystem(in: world, wakerToken: EchoWorker<FakeSystem>.wakerToken)
        poller = system.poller
        let listener = try system.listen(at: Self.address, options: ListenOptions())
        var worker = try EchoWorker(
            system: system,
            listener: listener,
            capacity: capacity,
            configuration: configuration
        )
        mailbox = worker.mailbox
        workerCounters = worker.counters
        worker.begin()
        self.worker = consume worker
    }

    deinit {
        worker.take()?.dismantle()
        precondition(world.openDescriptors.isEmpty, "descriptors left open: \(world.openDescriptors)")
        precondition(world.problems.isEmpty, "\(world.problems)")
    }

    var counters: EchoCounters {
        var sum = EchoCounters()
        workerCounters.add(to: &sum)
        return sum
    }

    /// Number of waits of the worker.
    var waits: Int { poller.waits }

    var isListening: Bool { world.listens(at: Self.address) }

    /// Maximum number of open connections, above which accepting fails with EMFILE; nil for no limit.
    var connectionLimit: Int? {
        didSet { world.descriptorLimit = connectionLimit.map { $0 + 1 } ?? .max }
    }

    /// Advances the time and lets the worker do all that is due. Returns true if the worker has ended.
    @discardableResult
    func run(_ duration: Duration = .zero) -> Bool {
        world.horizon = world.clock + duration
        while turn(), !poller.isIdle {}
        return isDone
    }

    /// Runs one round; returns false if no more will follow.
    @discardableResult
    func turn() -> Bool {
        guard !isDone else { return false }
        worker?.turn()
        return true
    }

    /// Advances the time even if the worker is busy.
    func skip(_ duration: Duration) {
        world.advance(to: world.clock + duration)
        world.horizon = world.clock
    }

    var isDone: Bool {
        switch worker {
        case .some(let worker): worker.isDone
        case .none: true
        }
    }

    func drain(grace: Duration) {
        mailbox.post(.drain(grace: grace))
    }

    /// Connects a client, which the server has not accepted yet.
    func arrive() -> FakePeer {
        world.connect(to: Self.address)
    }

    /// Connects a client and lets the server accept.
    func connect() -> FakePeer {
        let client = arrive()
        run()
        return client
    }

    /// Connects a client that sends a text, performs another action, and lets the server handle both.
    func connect(sending text: String, then action: (FakePeer) -> Void = { _ in }) -> FakePeer {
        let client = connect()
        client.send(text)
        action(client)
        run()
        return client
    }
}

extension FakePeer {
    /// Number of bytes that have arrived at the server and that it has not received.
    var unreceived: Int { process.arrived - process.received }
    /// Sizes of the server's sends.
    var pieces: [Int] { arrivals.map(\.count) }
    var hasReceivedFIN: Bool { end == .fin }

    /// Lets the server send `count` more bytes.
    func widenWindow(by count: Int) {
        window = (window ?? 0) + count
    }
}
