import Logging
import Sockets
import Support
import TLS
import Testing

@testable import LoadBalancer
@testable import TCPProxy

/// Checks of the servers of a pool with TLS, on real sockets.
@Suite("TLS of a pool's checks", .needsTLS, .ownThreads, .timeLimit(.minutes(1)))
struct CheckTLSTests {
    private let certificate: TLSCertificate
    private let context: TLSContext

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
        context = try TLSContext(server: TLSServerSettings(certificates: [certificate]))
    }

    private var trusting: PoolTLS { PoolTLS(verification: .authorities(certificate.chain)) }

    /// Runs the checks of a pool with one server until it has a state, and returns the server's snapshot. The server
    /// accepts connections and shakes hands.
    private func checked(
        _ tls: PoolTLS?,
        _ use: HealthCheck.TLSUse?,
        host: String = "example.com",
        speaksTLS: Bool = true
    ) async throws -> (state: ServerState, cause: String) {
        let listener = try TestListener()
        var server = ServerConfiguration(name: "server", address: address(of: listener))
        server.host = host
        var pool = PoolConfiguration(name: "pool", policy: .roundRobin, servers: [server])
        pool.tls = tls
        let local = ServiceAddress.socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 0)))
        let proxy = try await Proxy.bind(
            listeners: [ListenerConfiguration(name: "listener", address: local, pool: "pool")],
            pools: [pool]
        )
        var settings = PoolSettings()
        settings.check = HealthCheck(
            .sendExpect(send: [], expect: Array("220".utf8)),
            tls: use,
            interval: .milliseconds(20),
            timeout: patience,
            rise: 1,
            fall: 1
        )
        let controller = PoolController(proxy, settings: [settings], logger: Logger(label: "test"))
        return try await withThrowingTaskGroup { group in
            group.addTask { try await proxy.run() }
            group.addTask { await controller.run() }
            let socket = try listener.accept()
            if speaksTLS {
                let peer = try TLSPeer.server(socket, context)
                if try peer.handshake() == .done { try? peer.send(Array("220 hello\r\n".utf8)) }
            } else {
                try socket.send("220 hello\r\n")
            }
            try await eventually("a state") { proxy.poolSnapshots()[0].servers[0].state != .unchecked }
            let found = proxy.poolSnapshots()[0].servers[0]
            await proxy.shutdown(grace: .zero)
            group.cancelAll()
            return (found.state, found.cause)
        }
    }

    @Test("checks use the settings of the pool")
    func pool() async throws {
        #expect(try await checked(trusting, nil).state == .up)
        let other = try await checked(trusting, nil, host: "example.org")
        #expect(other.state == .down)
        #expect(other.cause == "the check failed: TLS with example.org failed: certificate is not valid for the name")
        var named = trusting
        named.serverName = "example.com"
        #expect(try await checked(named, .on, host: "example.org").state == .up)
    }

    @Test("a check can do without the TLS of its pool")
    func off() async throws {
        #expect(try await checked(trusting, .off, speaksTLS: false).state == .up)
    }

    @Test("a check can use TLS where its pool does not, with settings of its own")
    func own() async throws {
        #expect(try await checked(nil, .own(trusting)).state == .up)
        #expect(try await checked(PoolTLS(verification: .system), .own(trusting)).state == .up)
    }

    @Test("a check of another port does not use the TLS of its pool unless that is set")
    func port() throws {
        var server = try makeServer(tls: trusting)
        var state = PoolController.State(settings: [:])
        func tls(_ check: HealthCheck) -> StreamTLS? { state.tls(of: server, for: check, inPool: "pool") }
        #expect(tls(HealthCheck()) != nil)
        #expect(tls(HealthCheck(port: 8008)) == nil)
        #expect(tls(HealthCheck(port: 8008, tls: .on)) == StreamTLS(server.tls?.context, name: "127.0.0.1"))
        server = try makeServer(tls: nil)
        #expect(tls(HealthCheck()) == nil)
        let first = tls(HealthCheck(tls: .own(trusting)))
        #expect(first != nil)
        #expect(first == tls(HealthCheck(tls: .own(trusting))), "the context was created again")
        state.checkContexts.keep(pools: ["pool"])
        #expect(first == tls(HealthCheck(tls: .own(trusting))), "the context in use was removed")
        state.checkContexts.keep(pools: [])
        let second = tls(HealthCheck(tls: .own(trusting)))
        #expect(first != second)
        #expect(second != tls(HealthCheck(tls: .own(PoolTLS(verification: .off)))))
    }

    private func makeServer(tls: PoolTLS?) throws -> ServerInfo {
        let address = SocketAddress.internet(InternetAddress(v4: 0x7F00_0001, port: 1))
        return ServerInfo(
            key: ServerKey(pool: 0, id: 0, serial: 0),
            configuration: ServerConfiguration(name: "server", address: address),
            state: .unchecked,
            weight: 1,
            weightOverride: nil,
            connections: 0,
            connected: 0,
            failed: 0,
            consecutiveFailures: 0,
            tls: try tls.map { ServerTLS(context: try TLSContext(client: $0.settings), name: "127.0.0.1") }
        )
    }
}
