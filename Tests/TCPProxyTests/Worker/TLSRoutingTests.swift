import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Routing by SNI and ALPN")
struct TLSRoutingTests {
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
        "the first route whose ALPN protocol the client offers decides, before any name",
        arguments: [
            (["postgresql"], 2), (["acme-tls/1"], 1), (["h2", "http/1.1"], 0), ([], 0), (["H2", "postgresq"], 0),
            (["h2", "postgresql", "acme-tls/1"], 1), (["acme-tls/1", "postgresql"], 1), (["h2", "postgresql"], 2),
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
            for position in [63, 64] {
                var offers = [String](repeating: "x", count: 7_000)
                offers[position] = "h2"
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
        let all = Array(headerLine.utf8) + hello + Array("more".utf8)
        for forced in 0...all.count {
            try withProxy(names: routes(), configure: trusting(.required)) { proxy in
                let client = proxy.connect(from: trustedProxy)
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

    @Test(
        "a name that is not a DNS name goes to the listener's pool, unmodified",
        arguments: [
            "192.0.2.1", "2001:db8::1", "12345", "b\u{FC}cher.example.com", "a..example.com", "*.example.com",
            "example.com:443", "\(String(repeating: "a", count: 64)).example.com", "", ".", "www.example.com..",
            "www\0.example.com", "www.example.com\0", String(repeating: "a.", count: 150) + "example.com",
            "a b.example.com", ".example.com",
        ]
    )
    func otherNames(name: String) throws {
        try withProxy(names: routes()) { proxy in
            let hello = MadeHello.browser(name).bytes
            proxy.connect().send(hello)
            proxy.settle()
            #expect(proxy.servers.map(\.connections.count) == [1, 0, 0])
            #expect(proxy.server.connections.first?.received == hello)
            #expect(proxy.denied == [:])
        }
    }

    @Test("with a plain pool, non-TLS clients go there; a malformed ClientHello is still denied")
    func plain() throws {
        try withProxy(names: routes(), plainPool: 2) { proxy in
            for text in ["SSH-2.0-client\r\n", "GET / HTTP/1.1\r\n", "\0", "\u{16}\u{2}"] { proxy.connect().send(text) }
            proxy.connect().send(MadeHello.browser("www.example.com").bytes)
            let malformed = proxy.connect()
            malformed.send([22, 3, 1, 0, 0])
            proxy.settle()
            #expect(
                proxy.servers[2].connections.map(\.text)
                    == ["SSH-2.0-client\r\n", "GET / HTTP/1.1\r\n", "\0", "\u{16}\u{2}"]
            )
            #expect(proxy.servers.map(\.connections.count) == [0, 1, 4])
            #expect(malformed.end == .failed(.connectionReset))
            #expect(proxy.denied == [.clientHello: 1])
        }
    }

    @Test("with a plain pool, a client that sends nothing goes there when the preread timeout expires")
    func silentPlain() throws {
        try withProxy(names: routes(), plainPool: 1, configure: { $0.timeouts.preread = .seconds(2) }) { proxy in
            let silent = proxy.connect()
            let partial = proxy.connect()
            partial.send([22])
            let ended = proxy.connect()
            ended.finish()
            proxy.advance(by: .seconds(1))
            #expect(proxy.servers[1].connections.map(\.end) == [.fin])
            proxy.advance(by: .seconds(2))
            #expect(proxy.servers[1].connections.count == 2)
            let server = try #require(proxy.servers[1].connections.last)
            server.send("220 ready\r\n")
            proxy.settle()
            #expect(silent.text == "220 ready\r\n")
            silent.send("EHLO\r\n")
            proxy.settle()
            #expect(server.text == "EHLO\r\n")
            #expect(partial.end == .failed(.connectionReset))
            #expect(proxy.denied == [.prereadTimeout: 1])
        }
    }

    @Test("with a plain pool, a PROXY header that does not arrive in time is denied")
    func silentBehindProxy() throws {
        try withProxy(names: routes(), plainPool: 1, configure: trusting(.required)) { proxy in
            let headerless = proxy.connect(from: trustedProxy)
            let silent = proxy.connect(from: trustedProxy)
            silent.send(headerLine)
            proxy.advance(by: .seconds(6))
            #expect(headerless.end == .failed(.connectionReset))
            #expect(proxy.servers.map(\.connections.count) == [0, 1, 0])
            #expect(proxy.denied == [.prereadTimeout: 1])
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
        try withProxy(pool: { $0.limitServers() }, names: routes()) { proxy in
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
