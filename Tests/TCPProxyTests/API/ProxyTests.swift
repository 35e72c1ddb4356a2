import Glibc
import Support
import TCPProxy
import Testing

/// The library as an application uses it, on real sockets.
@Suite("Proxy", .ownThreads, .timeLimit(.minutes(2)))
struct ProxyTests {
    @Test("few lasting connections are spread over the threads: none has more than 1.5 times the mean")
    func spread() async throws {
        let listener = try TestListener()
        let opened = try await withRunningProxy(to: listener.address, configure: { $0.threads = 4 }) { proxy in
            var events = proxy.events.makeAsyncIterator()
            var pairs: [(client: TestSocket, server: TestSocket)] = []
            var opened: [UInt64: Int] = [:]
            for _ in 0..<32 {
                pairs.append(try proxy.connect(through: listener))
                guard case .connectionOpened(let id, _, _, _) = await events.next() else { break }
                opened[id.rawValue >> 48, default: 0] += 1
            }
            for (client, server) in pairs {
                try client.send("hello")
                try server.receive("hello")
            }
            return opened
        }
        #expect(opened.values.reduce(0, +) == 32)
        #expect(opened.values.max()! <= 12, "connections per thread: \(opened)")
    }

    @Test("bytes are relayed and counted")
    func relays() async throws {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address) { proxy in
            #expect(proxy.localAddress.port.map { $0 > 0 } == true)
            #expect(proxy.upstream?.description == listener.address.description)
            let (client, server) = try proxy.connect(through: listener)
            try client.send("question")
            try server.receive("question")
            try server.send("answer")
            try client.receive("answer")
            #expect(proxy.snapshot().activeConnections == 1)
            try client.finish()
            #expect(try server.receiveRest() == .init(bytes: [], end: .fin))
            try server.send("late")
            server.close()
            let rest = try client.receiveRest()
            #expect(rest.text == "late")
            #expect(rest.end == .fin)

            try await eventually("the connection's end") { proxy.snapshot().activeConnections == 0 }
            let snapshot = proxy.snapshot()
            #expect(snapshot.totalConnections == 1)
            #expect(snapshot.bytesUpstream == 8)
            #expect(snapshot.bytesDownstream == 10)
            #expect(snapshot.closures == [.init(reason: .ended, initiator: .client): 1])
            #expect(snapshot.connectTime.count == 1)
            #expect(snapshot.connectFailures.values.allSatisfy { $0 == 0 })
            #expect(Set(snapshot.connectFailures.keys) == Set(ConnectFailure.allCases))
            #expect(snapshot.maxConnections == 100)
            #expect(snapshot.openDescriptors > 0)
            #expect(snapshot.descriptorLimit >= snapshot.openDescriptors)
            #expect(snapshot.uptime > .zero)
        }
    }

    @Test("bulk data arrives intact in both directions", arguments: RelayEngine.allCases)
    func bulk(engine: RelayEngine) async throws {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address, configure: { $0.engine = engine }) { proxy in
            let (client, server) = try proxy.connect(through: listener)
            let (up, down) = (Pattern(seed: 1), Pattern(seed: 2))
            let count = 16 << 20
            async let sentUp: Void = {
                try client.send(up, count: count)
                try client.finish()
            }()
            async let sentDown: Void = {
                try server.send(down, count: count)
                try server.finish()
            }()
            async let arrived = server.receiveRest(of: up)
            let returned = try client.receiveRest(of: down)
            #expect(returned == (count, .fin))
            #expect(try await arrived == (count, .fin))
            _ = try await (sentUp, sentDown)
            try await eventually("the connection's end") { proxy.snapshot().activeConnections == 0 }
            let snapshot = proxy.snapshot()
            #expect(snapshot.bytesUpstream == count)
            #expect(snapshot.bytesDownstream == count)
            if engine == .copy { #expect(snapshot.bytesSplicedUpstream == 0) }
        }
    }

    @Test("a reset is forwarded after the data before it")
    func reset() async throws {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address) { proxy in
            let (client, server) = try proxy.connect(through: listener)
            try client.send("last words")
            // Acknowledged bytes are in the receiver's kernel, so a reset no longer discards them.
            try await eventually("acknowledged bytes") { try client.unacknowledged == 0 }
            try client.reset()
            let rest = try server.receiveRest()
            #expect(rest.text == "last words")
            #expect(rest.end == .reset)
            try await eventually("the connection's end") { proxy.snapshot().activeConnections == 0 }
            #expect(proxy.snapshot().closures == [.init(reason: .reset, initiator: .client): 1])
        }
    }

    @Test("a client is reset if no server is available")
    func refused() async throws {
        let listener = try TestListener()
        let address = listener.address
        listener.close()
        try await withRunningProxy(to: address) { proxy in
            let client = try TestSocket.connect(to: proxy.testAddress)
            #expect(try client.receiveRest() == .init(bytes: [], end: .reset))
            try await eventually("the connection's end") { proxy.snapshot().activeConnections == 0 }
            #expect(proxy.snapshot().unservedConnections == 1)
            #expect(proxy.snapshot().connectFailures[.refused] == 1)
        }
    }

    @Test("all threads serve connections, whichever accepts", arguments: [2, 4])
    func threads(count: Int) async throws {
        let listener = try TestListener()
        try await withRunningProxy(to: listener.address, configure: { $0.threads = count }) { proxy in
            let pairs = try (0..<40).map { _ in try proxy.connect(through: listener) }
            for (number, pair) in pairs.enumerated() {
                try pair.client.send("\(number)")
                pair.client.close()
            }
            let received = try pairs.map { try $0.server.receiveRest().text }
            // Connections reach the server in the order in which the workers process them.
            #expect(Set(received) == Set((0..<40).map { "\($0)" }))
            for pair in pairs { pair.server.close() }
            try await eventually("the connections' ends") { proxy.snapshot().activeConnections == 0 }
            #expect(proxy.snapshot().threads == count)
            #expect(proxy.snapshot().totalConnections == 40)
        }
    }

    @Test("clients beyond the maximum wait and are served in turn", arguments: [1, 2])
    func maximum(threads: Int) async throws {
        let listener = try TestListener()
        let configure: (inout SingleListenerSettings) -> Void = {
            $0.maxConnections = 2
            $0.threads = threads
        }
        try await withRunningProxy(to: listener.address, configure: configure) { proxy in
            let clients = try (0..<10).map { number in
                let client = try TestSocket.connect(to: proxy.testAddress)
                try client.send("\(number)")
                try client.finish()
                return client
            }
            for _ in clients {
                let server = try listener.accept()
                #expect(proxy.snapshot().activeConnections <= 2)
                let name = try server.receiveRest().text
                try server.send(name)
                server.close()
            }
            for (number, client) in clients.enumerated() {
                #expect(try client.receiveRest().text == "\(number)")
            }
        }
    }
}

@Suite("Proxy addresses", .ownThreads, .timeLimit(.minutes(2)))
struct ProxyAddressTests {
    /// Sends one request and receives one response.
    private func exchange(_ proxy: Proxy, _ listener: TestListener) throws {
        let (client, server) = try proxy.connect(through: listener)
        try client.send("question")
        try server.receive("question")
        try server.send("answer")
        try client.receive("answer")
    }

    @Test("IPv6 works on both sides")
    func ipv6() async throws {
        let listener = try TestListener(on: .loopback6)
        try await withRunningProxy("[::1]:0", to: listener.address) { proxy in
            #expect(proxy.localAddress.description.hasPrefix("[::1]:"))
            try exchange(proxy, listener)
        }
    }

    @Test("host names work on both sides, and each address of a name is tried")
    func names() async throws {
        let listener = try TestListener()
        let proxy = try await Proxy.bind("localhost:0", to: "localhost:\(listener.port)")
        async let running: Void = proxy.run()
        try exchange(proxy, listener)
        await proxy.shutdown(grace: .zero)
        try await running
    }

    @Test("a wildcard address listens on all interfaces", arguments: [":0", "*:0", "[::]:0"])
    func wildcard(listen: String) async throws {
        let listener = try TestListener()
        try await withRunningProxy(listen, to: listener.address) { proxy in
            for host in ["127.0.0.1", "::1"] {
                let address = TestAddress.ip(host, port: try #require(proxy.localAddress.port))
                let client = try TestSocket.connect(to: address)
                let server = try listener.accept()
                try client.send("question")
                try server.receive("question")
            }
            // A client that connected by IPv4 is listed with its IPv4 address.
            let clients = await proxy.clients().clients
            #expect(Set(clients.compactMap { $0.address?.description }) == ["127.0.0.1:0", "[::1]:0"])
        }
    }

    @Test(
        "Unix sockets work on both sides, and the file exists only while the proxy listens",
        arguments: [1, 2]
    )
    func unix(threads: Int) async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/proxy"
            let listener = try TestListener(on: .unix(path: "\(folder)/server"))
            try await withRunningProxy("unix:\(path)", to: listener.address, configure: { $0.threads = threads }) {
                proxy in
                #expect(proxy.localAddress == .unix(path: path))
                #expect(access(path, F_OK) == 0)
                for _ in 0..<10 { try exchange(proxy, listener) }
                let clients = await proxy.clients().clients
                #expect(clients.map(\.address) == [.unix])
                #expect(clients.map(\.totalConnections) == [10])
            }
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test("a Unix client that aborts resets its server")
    func unixReset() async throws {
        try await withScratchFolder { folder in
            let listener = try TestListener(on: .unix(path: "\(folder)/server"))
            try await withRunningProxy("unix:\(folder)/proxy", to: listener.address) { proxy in
                let (client, server) = try proxy.connect(through: listener)
                try server.send("these stay unread")
                try await eventually("bytes at the client") { try client.readable > 0 }
                try client.send("last words")
                client.close()
                #expect(try server.receiveRest().text == "last words")
                server.close()
                try await eventually("the connection's end") { proxy.snapshot().activeConnections == 0 }
            }
        }
    }

    @Test("a stale socket file is replaced")
    func staleFile() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/proxy"
            try TestListener(on: .unix(path: path)).close()
            #expect(access(path, F_OK) == 0)
            let listener = try TestListener()
            try await withRunningProxy("unix:\(path)", to: listener.address) { proxy in
                try exchange(proxy, listener)
            }
        }
    }

    @Test("connections use the configured source address")
    func source() async throws {
        let listener = try TestListener()
        let source = try #require(InternetAddress(host: "127.0.0.7", port: 0))
        try await withRunningProxy(to: listener.address, configure: { $0.sourceAddresses = [source] }) { proxy in
            let (_, server) = try proxy.connect(through: listener)
            #expect(try server.peerAddress.description.hasPrefix("127.0.0.7:"))
        }
    }
}
