import AdminServer
import Logging
import Sockets
import Support
import Synchronization
import TCPProxy
import Testing

/// A proxy whose metrics are set by the test.
final class FakeSource: AdminSource {
    private let state: Mutex<State>

    private struct State {
        var snapshot: MetricsSnapshot
        var clients: ClientsSnapshot
        var isReady: Bool
    }

    init(snapshot: MetricsSnapshot = .init(), clients: ClientsSnapshot = .init(), isReady: Bool = true) {
        state = Mutex(State(snapshot: snapshot, clients: clients, isReady: isReady))
    }

    func snapshot() -> MetricsSnapshot { state.withLock { $0.snapshot } }
    func clients() async -> ClientsSnapshot { state.withLock { $0.clients } }

    var isReady: Bool {
        get { state.withLock { $0.isReady } }
        set { state.withLock { $0.isReady = newValue } }
    }
}

/// Returns metrics with pairwise different values.
func distinctSnapshot() -> MetricsSnapshot {
    var snapshot = MetricsSnapshot()
    snapshot.activeConnections = 3
    snapshot.totalConnections = 15
    snapshot.bytesUpstream = 1_572_864
    snapshot.bytesDownstream = 819_200
    snapshot.unservedConnections = 2
    snapshot.deniedConnections = [.address: 25]
    snapshot.connectFailures = [.refused: 4, .timeout: 5]
    snapshot.closures = [.init(reason: .ended, initiator: .client): 6, .init(reason: .reset, initiator: .server): 7]
    snapshot.connectTime.counts[0] = 8
    snapshot.connectTime.counts[3] = 9
    snapshot.connectTime.counts[DurationHistogram.bounds.count] = 1
    snapshot.connectTime.sum = .milliseconds(12_500)
    snapshot.bytesDiscardedUpstream = 20
    snapshot.bytesDiscardedDownstream = 21
    snapshot.acceptPauses = [.exhausted: 22]
    snapshot.eventsDropped = 23
    snapshot.accessRecordsDropped = 24
    snapshot.openDescriptors = 24
    snapshot.descriptorLimit = 20_000
    snapshot.maxConnections = 9_900
    snapshot.threads = 2
    snapshot.uptime = .milliseconds(61_250)
    return snapshot
}

/// Returns `count` clients, each with its own address.
func manyClients(_ count: Int) throws -> ClientsSnapshot {
    var snapshot = ClientsSnapshot()
    snapshot.clients = try (0..<count).map { index in
        let text = "10.\(index >> 16 & 255).\(index >> 8 & 255).\(index & 255):0"
        return ClientStatistics(address: .internet(try internetAddress(text)))
    }
    return snapshot
}

func internetAddress(_ text: String) throws -> InternetAddress {
    guard case .socket(.internet(let address)) = try ServiceAddress(parsing: text) else {
        throw Unexpected("\(text) is not an address", at: #_sourceLocation)
    }
    return address
}

/// Runs an endpoint for the duration of `body`, then stops it.
func withServer<Value: Sendable>(
    at address: String = "127.0.0.1:0",
    source: any AdminSource = FakeSource(),
    limits: AdminServer.Limits = .init(),
    control: (any AdminControl)? = nil,
    token: String? = nil,
    _ body: (TestAddress) async throws -> Value
) async throws -> Value {
    let server = try await bindServer(at: address, source: source, limits: limits, control: control, token: token)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        let value = try await body(server.testAddress)
        group.cancelAll()
        try await group.waitForAll()
        return value
    }
}

func bindServer(
    at address: String = "127.0.0.1:0",
    source: any AdminSource = FakeSource(),
    limits: AdminServer.Limits = .init(),
    control: (any AdminControl)? = nil,
    token: String? = nil
) async throws -> AdminServer {
    var configuration = AdminServer.Configuration(version: "1.2.3")
    configuration.limits = limits
    configuration.control = control
    configuration.token = try token.map { try AdminToken($0) }
    return try await AdminServer.bind(
        ServiceAddress(parsing: address),
        source: source,
        logger: Logger(label: "test"),
        configuration: configuration
    )
}

extension AdminServer {
    var testAddress: TestAddress {
        get throws { try #require(TestAddress("\(localAddress)")) }
    }
}
