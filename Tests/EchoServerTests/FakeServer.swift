import EchoServer
import Sockets
import EventLoop

/// A worker on a fake network, stepped by the test.
final class FakeServer {
    let network = FakeNetwork()
    private var worker: EchoWorker<FakeSystem>?
    private let mailbox: Mailbox<EchoCommand>
    private let workerCounters: WorkerCounters

    init(
        capacity: Int = 10_000,
        _ configure: (inout EchoServer.Configuration) -> Void = { _ in }
    ) throws {
        var configuration = EchoServer.Configuration()
        configure(&configuration)
        var worker = try EchoWorker(
            system: FakeSystem(network),
            listener: network.makeListener(),
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
        precondition(network.open.isEmpty, "descriptors left open: \(network.open)")
    }

    var counters: EchoCounters {
        var sum = EchoCounters()
        workerCounters.add(to: &sum)
        return sum
    }

    /// Advances the time and lets the worker do all that is due. Returns true if the worker has ended.
    @discardableResult
    func run(_ duration: Duration = .zero) -> Bool {
        network.run(duration) { turn() }
        return isDone
    }

    /// Runs one round; returns false if no more will follow.
    @discardableResult
    func turn() -> Bool {
        guard !isDone else { return false }
        worker?.turn()
        return true
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

    /// Connects and lets the server accept.
    func connect() -> FakeClient {
        let client = network.connect()
        run()
        return client
    }
}
