import Support
import TCPProxy
import Testing

@Suite("Access control on real sockets", .ownThreads, .timeLimit(.minutes(2)))
struct ProxyAccessControlTests {
    /// Whether a client is reset, possibly while it still connects.
    private func isReset(_ proxy: Proxy) throws -> Bool {
        guard let client = try? TestSocket.connect(to: proxy.testAddress) else { return true }
        return try client.receiveRest().end == .reset
    }

    @Test("a client's connection limit holds across threads, and ended connections are replaced")
    func connectionsPerClient() async throws {
        let listener = try TestListener()
        try await withRunningProxy(
            to: listener.address,
            configure: { configuration in
                configuration.threads = 3
                configuration.accessPolicy.maxConnectionsPerClient = 4
            }
        ) { proxy in
            var pairs = try (0..<4).map { _ in try proxy.connect(through: listener) }
            for _ in 0..<4 { #expect(try isReset(proxy)) }
            #expect(proxy.snapshot().deniedConnections[.clientConnections] == 4)
            #expect(proxy.snapshot().totalConnections == 4)
            try pairs.removeLast().client.reset()
            try await eventually("the connection's end") { proxy.snapshot().activeConnections == 3 }
            pairs.append(try proxy.connect(through: listener))
            try pairs[3].client.send("hello")
            try pairs[3].server.receive("hello")
        }
    }

    @Test("a denied network and an untrusted PROXY header are rejected")
    func networks() async throws {
        let listener = try TestListener()
        let loopback = try CIDRBlock(parsing: "127.0.0.0/8")
        try await withRunningProxy(
            to: listener.address,
            configure: { $0.accessPolicy.access = try? AccessList(deny: [loopback]) }
        ) { proxy in
            let reset = try isReset(proxy)
            #expect(reset)
            #expect(proxy.snapshot().deniedConnections[.address] == 1)
        }
        let elsewhere = try CIDRBlock(parsing: "192.0.2.0/24")
        try await withRunningProxy(
            to: listener.address,
            configure: { $0.accessPolicy.proxies = TrustedProxies(header: .required, networks: [elsewhere]) }
        ) { proxy in
            let reset = try isReset(proxy)
            #expect(reset)
            #expect(proxy.snapshot().deniedConnections[.untrustedProxy] == 1)
        }
    }

    @Test("a server receives the client's addresses, or those of a trusted PROXY header")
    func proxyProtocol() async throws {
        let listener = try TestListener()
        var settings = SingleListenerSettings()
        settings.threads = 1
        settings.accessPolicy.proxies = TrustedProxies(
            header: .optional,
            networks: [try CIDRBlock(parsing: "127.0.0.1")]
        )
        let proxy = try await Proxy.bind(
            "127.0.0.1:0",
            to: "\(listener.address)",
            proxyProtocol: .v1,
            settings: settings
        )
        async let running: Void = proxy.run()
        for header in ["", "PROXY TCP4 192.0.2.7 198.51.100.1 1234 443\r\n"] {
            let client = try TestSocket.connect(to: proxy.testAddress)
            try client.send(header + "hello")
            try client.finish()
            let received = try listener.accept().receiveRest().text
            #expect(received.hasSuffix("\r\nhello"))
            #expect(
                header.isEmpty ? received.hasPrefix("PROXY TCP4 127.0.0.1 127.0.0.1 ") : received == header + "hello"
            )
        }
        await proxy.shutdown(grace: .zero)
        try await running
    }
}
