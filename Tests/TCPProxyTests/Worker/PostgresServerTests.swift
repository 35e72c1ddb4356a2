import FakeSystem
import Sockets
import Support
import TLS
import Testing

@testable import TCPProxy

/// The request for TLS to PostgreSQL servers: for connections that a listener passes, and for pools with TLS, whose fake
/// transform inverts bytes.
@Suite("PostgreSQL servers", .needsTLS)
struct PostgresServerTests {
    private typealias Messages = PostgresMessages

    private let certificate: TLSCertificate
    private let hello = MadeHello.browser("db.example.com").bytes

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "db.example.com", isAddress: false)
    }

    /// Runs a proxy whose listener passes all TLS clients, with a client that has sent its ClientHello.
    private func withPassed(
        upstreams: Int = 1,
        in world: FakeWorld = FakeWorld(),
        pool: (inout PoolConfiguration) -> Void = { _ in },
        configure: @escaping (inout SingleListenerSettings) -> Void = { _ in },
        serve: ((FakePeer) -> Void)? = nil,
        _ body: (FakeProxy, FakePeer) throws -> Void
    ) throws {
        try withProxy(
            upstreams: upstreams,
            in: world,
            pool: pool,
            configure: { settings in
                settings.listener.tls = ListenerTLS(certificates: [certificate])
                settings.listener.tls?.unrouted = .pass
                settings.listener.connectionProtocol = .postgres
                configure(&settings)
            }
        ) { proxy in
            for server in proxy.servers { server.onConnect = serve }
            let client = proxy.connect(from: trustedProxy)
            if proxy.expectsHeader { client.send(headerLine) }
            client.send(Messages.tlsRequest)
            proxy.settle()
            #expect(client.text == "S")
            client.send(hello)
            proxy.settle()
            try body(proxy, client)
        }
    }

    @Test("a passed ClientHello is sent after the server has accepted a request for TLS")
    func passed() throws {
        try withPassed { proxy, client in
            let server = try #require(proxy.server.connections.first)
            #expect(server.received == Messages.tlsRequest)
            server.send("S")
            proxy.settle()
            #expect(server.received == Messages.tlsRequest + hello)
            server.send("answer")
            client.send([1, 2, 3])
            proxy.settle()
            #expect(client.text == "Sanswer")
            #expect(server.received == Messages.tlsRequest + hello + [1, 2, 3])
            #expect(proxy.connected == 1)
        }
    }

    @Test("a ClientHello without a request is passed as it is, or with one if the pool's protocol is PostgreSQL")
    func direct() throws {
        let direct = Messages.directHello().bytes
        for isPostgres in [false, true] {
            try withProxy(
                pool: { $0.connectionProtocol = isPostgres ? .postgres : .tcp },
                configure: { [certificate] in
                    $0.listener.tls = ListenerTLS(certificates: [certificate])
                    $0.listener.tls?.unrouted = .pass
                    $0.listener.connectionProtocol = .postgres
                }
            ) { proxy in
                proxy.server.onConnect = { if isPostgres { $0.send("S") } }
                proxy.connect().send(direct)
                proxy.settle()
                #expect(proxy.server.connections.map(\.received) == [(isPostgres ? Messages.tlsRequest : []) + direct])
            }
        }
    }

    @Test(
        "a server that does not accept is a failed attempt, and the next one is tried",
        arguments: ["N", "E\0\0\0\u{8}", "X", "SX", "NN"]
    )
    func refused(answer: String) throws {
        try withPassed(upstreams: 2) { proxy, client in
            #expect(proxy.server.connections.count == 1)
            proxy.server.connections[0].send(answer)
            proxy.settle()
            #expect(proxy.failures == [.tls: 1])
            let share = try #require(proxy.pools.entries.first?.servers.first?.share)
            let cause = answer == "N" ? TLSFailure.requestRefused : TLSFailure.requestFailed
            #expect(share.tlsFailure == Int(cause))
            #expect(share.failed == 1)
            #expect(proxy.server.connections[0].received == Messages.tlsRequest)
            let server = try #require(proxy.servers[1].connections.first)
            server.send("S")
            proxy.settle()
            #expect(server.received == Messages.tlsRequest + hello)
            #expect(client.end == nil)
        }
    }

    @Test("a server that closes or resets instead of answering is a failed attempt")
    func ended() throws {
        try withPassed(upstreams: 3) { proxy, client in
            proxy.servers[0].connections[0].close()
            proxy.settle()
            proxy.servers[1].connections[0].reset()
            proxy.settle()
            #expect(proxy.failures == [.tls: 1, .other: 1])
            proxy.servers[2].connections[0].send("N")
            proxy.settle()
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.closures == [.by(.server, .connectFailed): 1])
        }
    }

    @Test("a server that does not answer is a failed attempt after the connect timeout")
    func silent() throws {
        try withPassed(upstreams: 2, configure: { $0.timeouts.connectAttempt = .seconds(2) }) { proxy, client in
            proxy.advance(by: .seconds(3))
            #expect(proxy.failures == [.timeout: 1])
            #expect(proxy.servers[1].connections.map(\.received) == [Messages.tlsRequest])
            proxy.servers[1].connections[0].send("S")
            proxy.settle()
            #expect(proxy.servers[1].connections.map(\.received) == [Messages.tlsRequest + hello])
            #expect(client.end == nil)
        }
    }

    @Test("a client that disconnects while the server has not answered ends the attempt")
    func clientGone() throws {
        try withPassed { proxy, client in
            client.reset()
            proxy.settle()
            #expect(proxy.failures == [.clientGone: 1])
            #expect(proxy.server.connections[0].end == .failed(.connectionReset))
        }
    }

    @Test("a PROXY header precedes the request, also if the socket accepts both in parts", arguments: [1, 5, nil])
    func proxyHeader(window: Int?) throws {
        try withPassed(
            pool: { $0.proxyProtocol = .v1 },
            configure: trusting(.required),
            serve: { $0.window = window }
        ) { proxy, client in
            let server = try #require(proxy.server.connections.first)
            let expected = Array(headerLine.utf8) + Messages.tlsRequest
            if let window {
                while server.received.count < expected.count {
                    let before = server.received.count
                    server.window = window
                    proxy.settle()
                    try #require(server.received.count > before)
                }
                server.window = nil
            }
            #expect(server.received == expected)
            server.send("S")
            proxy.settle()
            #expect(server.received == expected + hello)
        }
    }

    @Test("a pool with TLS requests it first, and then starts the handshake", arguments: [false, true])
    func encrypted(sendsHeader: Bool) throws {
        try withProxy(
            upstreams: 2,
            pool: {
                $0.tls = PoolTLS(verification: .off)
                $0.connectionProtocol = .postgres
                if sendsHeader { $0.proxyProtocol = .v1 }
            },
            configure: trusting(.required)
        ) { proxy in
            let client = proxy.connect(from: trustedProxy)
            client.send(Array(headerLine.utf8) + Messages.startup)
            proxy.settle()
            let request = (sendsHeader ? Array(headerLine.utf8) : []) + Messages.tlsRequest
            #expect(proxy.server.connections.map(\.received) == [request])
            proxy.server.connections[0].send("N")
            proxy.settle()
            #expect(proxy.failures == [.tls: 1])
            let server = try #require(proxy.servers[1].connections.first)
            server.send("S")
            proxy.settle()
            #expect(server.received == request + Messages.startup.map { ~$0 })
            server.send([7])
            proxy.settle()
            #expect(client.received == [~7])
        }
    }

    @Test("servers that refuse TLS are ejected like others that fail, and one that accepts is not")
    func counted() throws {
        try withPassed(upstreams: 2, serve: { $0.send("N") }) { proxy, client in
            #expect(proxy.failures == [.tls: 2])
            #expect(proxy.pools.entries[0].servers.map(\.share.consecutiveFailures) == [1, 1])
            #expect(client.end == .failed(.connectionReset))
        }
    }

    @Test("every transfer may move a single byte")
    func singleBytes() throws {
        let world = FakeWorld()
        world.faults.largestTransfer = 1
        try withPassed(in: world, serve: { $0.send("S") }) { proxy, client in
            let server = try #require(proxy.server.connections.first)
            #expect(server.received == Messages.tlsRequest + hello)
            server.send("answer")
            proxy.settle()
            #expect(client.text == "Sanswer")
        }
    }

    @Test("no bytes are lost or added if transfers are short or block, and events are late or repeated")
    func faults() throws {
        for seed in UInt64(0)..<100 {
            let world = FakeWorld(seed: seed)
            world.faults.shortTransfers = 0.5
            world.faults.wouldBlocks = 0.3
            world.faults.doubledEvents = 0.2
            world.faults.lateEvents = 0.3
            world.faults.staleEvents = 0.2
            try withProxy(
                in: world,
                configure: { [certificate] in
                    $0.listener.tls = ListenerTLS(certificates: [certificate])
                    $0.listener.tls?.unrouted = .pass
                    $0.listener.connectionProtocol = .postgres
                }
            ) { proxy in
                proxy.server.onConnect = { server in
                    server.onChange = { if $0.received.count == 8 { $0.send("S") } }
                }
                let client = proxy.connect()
                client.send(Messages.tlsRequest)
                proxy.advance(by: .seconds(1))
                #expect(client.text == "S", "seed \(seed)")
                client.send(hello)
                proxy.advance(by: .seconds(1))
                let server = try #require(proxy.server.connections.first)
                #expect(server.received == Messages.tlsRequest + hello, "seed \(seed)")
                server.send("answer")
                proxy.advance(by: .seconds(1))
                #expect(client.text == "Sanswer", "seed \(seed)")
            }
        }
    }

    @Test("a network that resets connections at any step leaves no resource behind")
    func resets() throws {
        for seed in UInt64(0)..<200 {
            let world = FakeWorld(seed: seed)
            world.faults.resets = 0.2
            world.faults.wouldBlocks = 0.2
            try withProxy(
                upstreams: 2,
                in: world,
                configure: { [certificate] in
                    $0.listener.tls = ListenerTLS(certificates: [certificate])
                    $0.listener.tls?.unrouted = .pass
                    $0.listener.connectionProtocol = .postgres
                }
            ) { proxy in
                for server in proxy.servers {
                    server.onConnect = { server in
                        server.onChange = { if $0.received.count == 8 { $0.send("S") } }
                    }
                }
                for _ in 0..<4 {
                    let client = proxy.connect()
                    client.send(Messages.tlsRequest)
                    proxy.settle()
                    if client.text == "S" { client.send(hello) }
                }
                proxy.advance(by: .seconds(30))
            }
        }
    }

    @Test("a forced shutdown ends connections that wait for the server's answer")
    func shutdown() throws {
        try withPassed { proxy, client in
            proxy.post(.closeAll)
            proxy.settle()
            #expect(client.end == .failed(.connectionReset))
        }
    }
}

extension FakeProxy {
    /// Whether clients must send a PROXY header.
    fileprivate var expectsHeader: Bool {
        members[0].worker.listeners.pointer(to: 0).pointee.settings.accessPolicy.proxies != nil
    }
}
