import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

/// Networks whose proxies are trusted, and one of these.
private let networks = [CIDRBlock(InternetAddress(v4: 0x0A0A_0A0A, port: 0))]
private let trusted = PeerAddress("10.10.10.10:5000")
private let stranger = PeerAddress("203.0.113.1:5000")
private let line = "PROXY TCP4 192.0.2.7 198.51.100.1 1234 443\r\n"

private func trusting(_ header: TrustedProxies.Header) -> (inout SingleListenerSettings) -> Void {
    { $0.accessPolicy.proxies = TrustedProxies(header: header, networks: networks) }
}

/// A header of version 2 about the same connection, with a field of unknown type.
private func binary(fields: [UInt8] = [0xE0, 0, 2, 1, 2]) throws -> [UInt8] {
    try ProxyProtocolHeader.write(
        .v2,
        .addresses(source: SocketAddress("192.0.2.7:1234"), destination: SocketAddress("198.51.100.1:443")),
        tlvs: fields
    )
}

@Suite("PROXY protocol from the client")
struct AcceptedHeaderTests {
    @Test("after a header of either version, split at every byte, the payload reaches the server in order")
    func closes() throws {
        for header in [Array(line.utf8), try binary()] {
            for forced in 0...(header.count + 5) {
                try withProxy(configure: trusting(.required)) { proxy in
                    let client = proxy.connect(from: trusted)
                    let all = header + Array("hello".utf8)
                    client.send(Array(all[..<forced]))
                    proxy.settle()
                    client.send(Array(all[forced...]))
                    proxy.settle()
                    client.send(" world")
                    proxy.settle()
                    #expect(proxy.server.connections.map(\.text) == ["hello world"], "split at \(forced)")
                    #expect(proxy.denied == [:])
                    #expect(proxy[.bytesUpstream] == 11)
                }
            }
        }
    }

    @Test("a header is parsed byte by byte, followed by a FIN")
    func single() throws {
        try withProxy(configure: trusting(.required)) { proxy in
            let client = proxy.connect(from: trusted)
            for byte in Array(line.utf8) + Array("hello".utf8) {
                client.send([byte])
                proxy.settle()
            }
            client.finish()
            proxy.settle()
            let server = proxy.server.connections[0]
            #expect(server.text == "hello")
            #expect(server.end == .fin)
            server.send("bye")
            server.close()
            proxy.settle()
            #expect(client.text == "bye")
            #expect(client.end == .fin)
            #expect(proxy.closures == [.by(.client, .ended): 1])
        }
    }

    @Test("bulk data after a header reaches a slow server")
    func much() throws {
        let world = FakeWorld()
        world.receiveBuffer = 3000
        world.sendBuffer = 3000
        try withProxy(in: world, configure: trusting(.required)) { proxy in
            proxy.server.answer = .accept(after: .seconds(1))
            let client = proxy.connect(from: trusted)
            client.send(line)
            client.sendPattern(count: 200_000)
            client.finish()
            proxy.advance(by: .seconds(2))
            let server = proxy.server.connections[0]
            #expect(server.patternReceived == 200_000)
            #expect(server.end == .fin)
        }
    }

    @Test("lists, limits, policies and events use the client named in the header")
    func identity() throws {
        let access = try AccessList(deny: [CIDRBlock(parsing: "192.0.2.66")])
        try withProxy(
            configure: { configuration in
                trusting(.required)(&configuration)
                configuration.accessPolicy.access = access
                configuration.accessPolicy.maxConnectionsPerClient = 1
            }
        ) { proxy in
            _ = proxy.memory.subscriptions.subscribe()
            func connect(_ address: String) -> FakePeer {
                let client = proxy.connect(from: trusted)
                client.send("PROXY TCP4 \(address) 198.51.100.1 1234 443\r\nhello")
                proxy.settle()
                return client
            }
            #expect(connect("192.0.2.7").end == nil)
            #expect(connect("192.0.2.8").end == nil)
            #expect(connect("192.0.2.7").end == .failed(.connectionReset))
            #expect(connect("192.0.2.66").end == .failed(.connectionReset))
            #expect(proxy.denied == [.clientConnections: 1, .address: 1])
            #expect(proxy.closures == [.by(.proxy, .denied): 2])
            let opened = proxy.takeEvents().compactMap { event -> PeerAddress? in
                if case .connectionOpened(_, let client, _, _) = event { client } else { nil }
            }
            let named = ["192.0.2.7:1234", "192.0.2.8:1234", "192.0.2.7:1234", "192.0.2.66:1234"]
            #expect(opened == named.map { PeerAddress($0) })
            proxy.memory.subscriptions.unsubscribe()
        }
    }

    @Test("hash policies use the client named in the header")
    func hashing() throws {
        try withProxy(
            upstreams: 5,
            pool: { $0.policy = .sourceHash },
            configure: trusting(.required)
        ) { proxy in
            for number in 1...40 {
                let client = proxy.connect(from: trusted)
                client.send("PROXY TCP4 192.0.2.\(number) 198.51.100.1 1234 443\r\n")
                proxy.settle()
            }
            #expect(proxy.servers.count { !$0.connections.isEmpty } > 2)
        }
    }

    @Test("required: a client without a header or from an untrusted address is reset")
    func required() throws {
        try withProxy(configure: trusting(.required)) { proxy in
            let plain = proxy.connect(from: trusted)
            plain.send("GET / HTTP/1.1\r\n")
            proxy.settle()
            #expect(plain.end == .failed(.connectionReset))
            let broken = proxy.connect(from: trusted)
            broken.send("PROXY TCP9 1 2 3 4\r\n")
            proxy.settle()
            #expect(broken.end == .failed(.connectionReset))
            let other = proxy.connect(from: stranger)
            other.send(line)
            proxy.settle()
            #expect(other.end == .failed(.connectionReset))
            #expect(proxy.denied == [.proxyHeader: 2, .untrustedProxy: 1])
            #expect(proxy.server.attempts == 0)
        }
    }

    @Test("optional: a trusted proxy may omit it, and an untrusted header is payload")
    func optional() throws {
        try withProxy(configure: trusting(.optional)) { proxy in
            for (source, text) in [(trusted, "hello"), (trusted, line + "hello"), (stranger, line + "hello")] {
                let client = proxy.connect(from: source)
                client.send(text)
                proxy.settle()
                #expect(client.end == nil)
            }
            #expect(proxy.server.connections.map(\.text) == ["hello", "hello", line + "hello"])
            #expect(proxy.denied == [:])
        }
    }

    @Test("an incomplete header is reset at the timeout, and all its resources are released")
    func slow() throws {
        try withProxy(
            configure: { configuration in
                trusting(.required)(&configuration)
                configuration.timeouts.preread = .seconds(3)
            }
        ) { proxy in
            let silent = proxy.connect(from: trusted)
            let slow = proxy.connect(from: trusted)
            slow.send("PROXY ")
            proxy.advance(by: .seconds(2))
            #expect(silent.end == nil)
            slow.send("TCP4 ")
            proxy.advance(by: .milliseconds(1010))
            #expect(silent.end == .failed(.connectionReset))
            #expect(slow.end == .failed(.connectionReset))
            #expect(proxy.denied == [.prereadTimeout: 2])
            #expect(proxy.active == 0)
            #expect(proxy[0].chunksTaken == 0)
        }
    }

    @Test("a client that closes or resets within the header is counted as such")
    func gone() throws {
        try withProxy(configure: trusting(.required)) { proxy in
            let finished = proxy.connect(from: trusted)
            finished.send("PROXY ")
            finished.finish()
            let reset = proxy.connect(from: trusted)
            reset.send("PROXY ")
            proxy.settle()
            reset.reset()
            proxy.settle()
            #expect(proxy.denied == [.prereadEnded: 2])
            #expect(proxy.closures == [.by(.client, .denied): 2])
            #expect(proxy.active == 0)
        }
    }

    @Test("an oversized header is rejected without waiting")
    func tooLong() throws {
        try withProxy(configure: trusting(.required)) { proxy in
            let client = proxy.connect(from: trusted)
            client.send(bytes(hex: ProxyHeaderBinaryTests.signature + "21 11 ffff"))
            proxy.settle()
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.denied == [.proxyHeader: 1])
        }
    }

    @Test("the queue and connect timeouts start after the header")
    func times() throws {
        try withProxy(
            configure: { configuration in
                trusting(.required)(&configuration)
                configuration.timeouts.preread = .seconds(100)
                configuration.timeouts.connect = .seconds(15)
                configuration.timeouts.connectAttempt = nil
            }
        ) { proxy in
            proxy.server.answer = .silence
            let client = proxy.connect(from: trusted)
            proxy.advance(by: .seconds(90))
            client.send(line)
            proxy.advance(by: .seconds(14))
            #expect(client.end == nil)
            proxy.advance(by: .seconds(2))
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.denied == [:])
        }
    }
}

@Suite("PROXY protocol to the server")
struct SentHeaderTests {
    private func sent(
        _ version: ProxyProtocolVersion,
        _ first: [UInt8],
        from source: PeerAddress = trusted,
        trusts: Bool = true
    ) throws -> [UInt8] {
        var received: [UInt8] = []
        try withProxy(
            pool: { $0.proxyProtocol = version },
            configure: { if trusts { trusting(.optional)(&$0) } }
        ) { proxy in
            let client = proxy.connect(from: source)
            client.send(first)
            proxy.settle()
            received = proxy.server.connections[0].received
            proxy.server.connections[0].send("answer")
            proxy.settle()
            #expect(client.text == "answer")
        }
        return received
    }

    private let hello = Array("hello".utf8)

    @Test("the header comes first, followed by the client's bytes once", arguments: ProxyProtocolVersion.allCases)
    func plain(version: ProxyProtocolVersion) throws {
        let header = try ProxyProtocolHeader.write(
            version,
            .addresses(source: SocketAddress("203.0.113.1:5000"), destination: SocketAddress("127.0.0.1:8080"))
        )
        #expect(try sent(version, hello, from: stranger, trusts: false) == header + hello)
        #expect(try sent(version, hello, from: stranger) == header + hello)
    }

    @Test("addresses from a received header are forwarded, from and to each version", arguments: [1, 2])
    func passedOn(version: Int) throws {
        let addresses = ProxyProtocolHeader.OutboundAddresses.addresses(
            source: SocketAddress("192.0.2.7:1234"),
            destination: SocketAddress("198.51.100.1:443")
        )
        for first in [Array(line.utf8), try binary(fields: [])] {
            let version: ProxyProtocolVersion = version == 1 ? .v1 : .v2
            #expect(try sent(version, first + hello) == ProxyProtocolHeader.write(version, addresses) + hello)
            // If the server speaks first, the header must not wait for bytes of the client either.
            #expect(try sent(version, first) == ProxyProtocolHeader.write(version, addresses))
        }
    }

    @Test("TLVs of a received header are forwarded, with a correct checksum")
    func fields() throws {
        let checked = try ProxyProtocolHeader.write(
            .v2,
            .addresses(source: SocketAddress("192.0.2.7:1234"), destination: SocketAddress("198.51.100.1:443")),
            tlvs: [0xE0, 0, 2, 1, 2],
            checksum: true
        )
        #expect(try sent(.v2, binary() + hello) == binary() + hello)
        #expect(try sent(.v2, checked + hello) == checked + hello)
        #expect(try sent(.v1, checked + hello) == Array(line.utf8) + hello)
    }

    @Test("Unix paths and unknown addresses are forwarded as such")
    func others() throws {
        for whole in ProxyHeaderBinaryTests.whole {
            let received = try sent(.v2, whole + hello)
            guard case .header(let before) = ProxyProtocolHeader.read(whole),
                case .header(let after) = ProxyProtocolHeader.read(received)
            else {
                Issue.record("no header in \(received)")
                continue
            }
            #expect(Array(received[after.length...]) == hello)
            #expect(Array(received[after.tlvs]) == Array(whole[before.tlvs]))
            switch before.origin {
            case .internet, .unix:
                #expect(after.origin == before.origin)
            case .local, .unknown:
                let own = SocketAddress("127.0.0.1:8080")
                guard case .internet(let source) = trusted, case .internet(let destination) = own else { return }
                #expect(after.origin == .internet(source: source, destination: destination))
            }
        }
    }

    @Test("after a failed attempt the next server receives exactly one header")
    func retries() throws {
        try withProxy(
            upstreams: 2,
            pool: { $0.proxyProtocol = .v1 },
            configure: trusting(.required)
        ) { proxy in
            proxy.servers[0].answer = .fail(.connectionRefused)
            let client = proxy.connect(from: trusted)
            client.send(line + "hello")
            proxy.settle()
            #expect(proxy.servers[1].connections.map(\.text) == [line + "hello"])
        }
    }

    @Test("a partially sent header is completed before a client's bulk data")
    func pieces() throws {
        let world = FakeWorld()
        world.receiveBuffer = 7
        world.sendBuffer = 5
        try withProxy(in: world, pool: { $0.proxyProtocol = .v2 }, configure: trusting(.required)) { proxy in
            let client = proxy.connect(from: trusted)
            client.send(try binary())
            client.sendPattern(count: 3000)
            client.finish()
            proxy.advance(by: .seconds(1))
            let header = try binary()
            let server = proxy.server.connections[0]
            #expect(Array(server.received.prefix(header.count)) == header)
            #expect(server.received.count == header.count + 3000)
            #expect(server.end == .fin)
        }
    }
}

@Suite("Routing by SNI and ALPN")
struct ServerNameRoutingTests {
    private func routes() throws -> [SNIRoute] {
        [
            SNIRoute(names: [try SNIPattern(parsing: "www.example.com")], pool: "www"),
            SNIRoute(names: [try SNIPattern(parsing: "*.example.com")], pool: "others"),
        ]
    }

    @Test("exact names match before wildcards, then the listener's pool; the ClientHello is forwarded unmodified")
    func names() throws {
        let cases = [
            ("www.example.com", 1), ("WWW.Example.COM", 1), ("a.example.com", 2), ("a.b.example.com", 2),
            ("example.com", 0), ("example.org", 0),
        ]
        try withProxy(names: routes()) { proxy in
            for (name, pool) in cases {
                let hello = MadeHello.browser(name).bytes
                let client = proxy.connect()
                client.send(hello + [1, 2, 3])
                proxy.settle()
                let server = try #require(proxy.servers[pool].connections.last, "\(name)")
                #expect(server.received == hello + [1, 2, 3])
                server.send("hi")
                proxy.settle()
                #expect(client.text == "hi")
            }
            #expect(proxy.servers.map(\.connections.count) == [2, 2, 2])
        }
    }

    @Test(
        "the first ALPN protocol with a pool decides, before any name",
        arguments: [
            (["postgresql"], 2), (["acme-tls/1"], 1), (["h2", "http/1.1"], 0), ([], 0), (["H2", "postgresq"], 0),
            (["h2", "postgresql", "acme-tls/1"], 2), (["acme-tls/1", "postgresql"], 1),
        ]
    )
    func protocols(offers: [String], pool: Int) throws {
        let protocols: [(ALPNProtocol, Int16)] = [
            (try ALPNProtocol(parsing: "acme-tls/1"), 1), (try ALPNProtocol(parsing: "postgresql"), 2),
        ]
        try withProxy(names: routes(), protocols: protocols) { proxy in
            var hello = MadeHello()
            if !offers.isEmpty { hello.extensions = [MadeHello.protocols(offers)] }
            proxy.connect().send(hello.bytes)
            hello.extensions.append(MadeHello.serverName("www.example.com"))
            proxy.connect().send(hello.bytes)
            proxy.settle()
            var counts = [0, 0, 0]
            counts[pool] += 1
            counts[pool == 0 ? 1 : pool] += 1
            #expect(proxy.servers.map(\.connections.count) == counts)
        }
    }

    @Test("the first 64 of thousands of ALPN protocols are considered")
    func manyProtocols() throws {
        let protocols = [(try ALPNProtocol(parsing: "h2"), Int16(1))]
        try withProxy(names: routes(), protocols: protocols) { proxy in
            for place in [63, 64] {
                var offers = [String](repeating: "x", count: 7_000)
                offers[place] = "h2"
                var hello = MadeHello()
                hello.extensions = [MadeHello.protocols(offers)]
                proxy.connect().send(hello.bytes)
            }
            proxy.settle()
            #expect(proxy.servers.map(\.connections.count) == [1, 1, 0])
        }
    }

    @Test("a client without SNI goes to the listener's pool")
    func nameless() throws {
        try withProxy(names: routes()) { proxy in
            let client = proxy.connect()
            client.send(MadeHello().bytes)
            proxy.settle()
            #expect(proxy.servers.map(\.connections.count) == [1, 0, 0])
        }
    }

    @Test("a header and a ClientHello are split at every byte, and the server gets all but the header")
    func closes() throws {
        let hello = MadeHello.records(MadeHello.browser("www.example.com").message, of: 700)
        let all = Array(line.utf8) + hello + Array("more".utf8)
        for forced in 0...all.count {
            try withProxy(names: routes(), configure: trusting(.required)) { proxy in
                let client = proxy.connect(from: trusted)
                client.send(Array(all[..<forced]))
                proxy.settle()
                client.send(Array(all[forced...]))
                proxy.settle()
                #expect(
                    proxy.servers[1].connections.map(\.received) == [hello + Array("more".utf8)],
                    "split at \(forced)"
                )
            }
        }
    }

    @Test("a ClientHello is parsed byte by byte")
    func single() throws {
        let hello = MadeHello.records(MadeHello.browser("a.example.com").message, of: 100)
        try withProxy(pool: { $0.proxyProtocol = .v1 }, names: routes()) { proxy in
            let client = proxy.connect()
            for byte in hello {
                client.send([byte])
                proxy.settle()
            }
            #expect(proxy.servers[2].connections.map(\.received) == [hello])
        }
    }

    @Test("an invalid or incomplete ClientHello closes the connection and is counted")
    func garbage() throws {
        try withProxy(names: routes()) { proxy in
            let plain = proxy.connect()
            plain.send("GET / HTTP/1.1\r\n\r\n")
            let endless = proxy.connect()
            endless.send([22, 3, 1, 0x40, 0, 1, 0xFF, 0xFF, 0xFF])
            let silent = proxy.connect()
            proxy.settle()
            #expect(plain.end == .failed(.connectionReset))
            #expect(endless.end == .failed(.connectionReset))
            #expect(silent.end == nil)
            #expect(proxy.denied == [.clientHello: 2])
            proxy.advance(by: .seconds(6))
            #expect(silent.end == .failed(.connectionReset))
            #expect(proxy.denied == [.clientHello: 2, .prereadTimeout: 1])
            #expect(proxy.servers.allSatisfy { $0.attempts == 0 })
        }
    }

    @Test("the ClientHello of a client that leaves the queue is discarded and counted")
    func queued() throws {
        try withProxy(
            pool: { pool in
                pool.policy = .roundRobin
                pool.servers[0].maxConnections = 1
            },
            names: routes()
        ) { proxy in
            let hello = MadeHello.browser("example.org").bytes
            let clients = (0..<3).map { _ in
                let client = proxy.connect()
                client.send(hello)
                proxy.settle()
                return client
            }
            #expect(proxy[0].chunksTaken == 2)
            clients[1].reset()
            proxy.settle()
            #expect(proxy[.discardedUpstream] == hello.count)
            clients[0].reset()
            proxy.settle()
            #expect(proxy.servers[0].connections.map(\.received) == [hello, hello])
        }
    }
}
