import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("PROXY protocol from the client")
struct AcceptedHeaderTests {
    @Test("after a header of either version, split at every byte, the payload reaches the server in order")
    func closes() throws {
        for header in [Array(headerLine.utf8), try binaryHeader()] {
            for forced in 0...(header.count + 5) {
                try withProxy(configure: trusting(.required)) { proxy in
                    let client = proxy.connect(from: trustedProxy)
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

    @Test("a header with Unix paths does not hide the address of an Internet connection from its listener's rules")
    func unixPaths() throws {
        let header = try ProxyProtocolHeader.write(
            .v2,
            .addresses(source: .unix(path: "/client"), destination: .unix(path: "/server")),
            tlvs: []
        )
        for denied in [true, false] {
            try withProxy(
                configure: { configuration in
                    trusting(.required)(&configuration)
                    guard denied else { return configuration.accessPolicy.maxConnectionsPerClient = 1 }
                    configuration.accessPolicy.access = try? AccessList(
                        deny: [CIDRBlock(InternetAddress(v4: 0x0A0A_0A0A, port: 0))]
                    )
                }
            ) { proxy in
                for _ in 0..<2 {
                    proxy.connect(from: trustedProxy).send(header + Array("hello".utf8))
                    proxy.settle()
                }
                #expect(proxy.server.connections.count == (denied ? 0 : 1))
                #expect(proxy.denied == (denied ? [.address: 2] : [.clientConnections: 1]))
            }
        }
    }

    @Test("on a Unix socket a header is read only if Unix sockets are trusted")
    func unixSocket() {
        let networks = [CIDRBlock(InternetAddress(v4: 0x0A0A_0A0A, port: 0))]
        #expect(!TrustedProxies(header: .optional, networks: networks).trusts(.unix))
        let both = TrustedProxies(header: .optional, networks: networks, trustsUnixSockets: true)
        #expect(both.trusts(.unix))
        #expect(both.trusts(trustedProxy))
        #expect(!both.trusts(untrustedClient))
        var listener = ListenerConfiguration(address: .socket(.unix(path: "/run/monkey.sock")))
        listener.accessPolicy.proxies = TrustedProxies(header: .required, networks: networks)
        #expect(throws: ProxyError.self) { try listener.checkSettings() }
        listener.accessPolicy.proxies = TrustedProxies(header: .required, networks: [], trustsUnixSockets: true)
        #expect(throws: Never.self) { try listener.checkSettings() }
    }

    @Test("a header is parsed byte by byte, followed by a FIN")
    func single() throws {
        try withProxy(configure: trusting(.required)) { proxy in
            let client = proxy.connect(from: trustedProxy)
            for byte in Array(headerLine.utf8) + Array("hello".utf8) {
                client.send([byte])
                proxy.settle()
            }
            client.finish()
            proxy.settle()
            let server = proxy.server.connections[0]
            #expect(server.text == "hello")
            #expect(server.end == .fin)
            proxy.answerAndClose(server, client)
        }
    }

    @Test("bulk data after a header reaches a slow server")
    func much() throws {
        try withProxy(
            in: .small(receiveBuffer: 3000, sendBuffer: 3000),
            configure: trusting(.required)
        ) { proxy in
            proxy.server.answer = .accept(after: .seconds(1))
            let client = proxy.connect(from: trustedProxy)
            client.send(headerLine)
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
                let client = proxy.connect(from: trustedProxy)
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
        try withProxy(upstreams: 5, pool: { $0.policy = .sourceHash }, configure: trusting(.required)) { proxy in
            for number in 1...40 {
                _ = proxy.connect(
                    sending: "PROXY TCP4 192.0.2.\(number) 198.51.100.1 1234 443\r\n",
                    from: trustedProxy
                )
            }
            #expect(proxy.servers.count { !$0.connections.isEmpty } > 2)
        }
    }

    @Test("required: a client without a header or from an untrusted address is reset")
    func required() throws {
        try withProxy(configure: trusting(.required)) { proxy in
            for (source, text) in [
                (trustedProxy, "GET / HTTP/1.1\r\n"), (trustedProxy, "PROXY TCP9 1 2 3 4\r\n"),
                (untrustedClient, headerLine),
            ] {
                #expect(proxy.connect(sending: text, from: source).end == .failed(.connectionReset), "\(text)")
            }
            #expect(proxy.denied == [.proxyHeader: 2, .untrustedProxy: 1])
            #expect(proxy.server.attempts == 0)
        }
    }

    @Test("optional: a trusted proxy may omit it, and an untrusted header is payload")
    func optional() throws {
        try withProxy(configure: trusting(.optional)) { proxy in
            for (source, text) in [
                (trustedProxy, "hello"), (trustedProxy, headerLine + "hello"), (untrustedClient, headerLine + "hello"),
            ] {
                #expect(proxy.connect(sending: text, from: source).end == nil)
            }
            #expect(proxy.server.connections.map(\.text) == ["hello", "hello", headerLine + "hello"])
            #expect(proxy.denied == [:])
        }
    }

    @Test("an incomplete header is reset at the timeout, and all its resources are released")
    func slow() throws {
        try withProxy(configure: trusting(.required) { $0.timeouts.preread = .seconds(3) }) { proxy in
            let silent = proxy.connect(from: trustedProxy)
            let slow = proxy.connect(from: trustedProxy)
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
            let finished = proxy.connect(from: trustedProxy)
            finished.send("PROXY ")
            finished.finish()
            let reset = proxy.connect(from: trustedProxy)
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
            let client = proxy.connect(from: trustedProxy)
            client.send(bytes(hex: ProxyProtocolBinaryTests.signature + "21 11 ffff"))
            proxy.settle()
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.denied == [.proxyHeader: 1])
        }
    }

    @Test("the queue and connect timeouts start after the header")
    func times() throws {
        try withProxy(
            configure: trusting(.required) { configuration in
                configuration.timeouts.preread = .seconds(100)
                configuration.timeouts.connect = .seconds(15)
                configuration.timeouts.connectAttempt = nil
            }
        ) { proxy in
            proxy.server.answer = .silence
            let client = proxy.connect(from: trustedProxy)
            proxy.advance(by: .seconds(90))
            client.send(headerLine)
            proxy.advance(by: .seconds(14))
            #expect(client.end == nil)
            proxy.advance(by: .seconds(2))
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.denied == [:])
        }
    }
}
