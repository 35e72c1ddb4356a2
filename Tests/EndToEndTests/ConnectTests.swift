import Support
import Testing

@Suite(
    "Failures to connect to the upstream",
    .ownThreads,
    .eachEngine,
    .serialized,
    .timeLimit(.minutes(2))
)
struct ConnectTests {
    @Test(
        "A refused connection closes the client immediately, and the next client is served when the server is back",
        arguments: [1, 2]
    )
    func refused(threads: Int) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "\(threads)"], metrics: true) { proxy in
            upstream.close()
            for _ in 0..<20 {
                #expect(try proxy.connect().receiveRest().bytes.isEmpty)
            }
            // A client that has sent data is closed as well.
            let talker = try proxy.connect()
            _ = try? talker.send("hello")
            #expect(try talker.receiveRest().bytes.isEmpty)
            try await proxy.descriptorsReturn()

            let again = try TestListener(on: upstream.address)
            try RelayedPair(through: proxy, to: again).exchange()
            try await eventually("closed connections in the metrics") {
                try proxy.readMetrics().value("connections_active") == 0
            }
            #expect(try proxy.readMetrics().value("connections_total") == 22)
        }
    }

    @Test("An upstream that does not answer closes the client after the timeout")
    func timeout() async throws {
        let full = try FullListener()
        try await withProxy(to: full.listener, ["--connect-timeout", "300ms"]) { proxy in
            let client = try proxy.connect()
            #expect(try client.receiveRest().bytes.isEmpty)
            try await proxy.descriptorsReturn()
        }
    }

    @Test("A client that disconnects during the connect leaves no descriptors")
    func clientGone() async throws {
        let full = try FullListener()
        try await withProxy(to: full.listener, ["--connect-timeout", "10m"]) { proxy in
            var clients: [TestSocket] = []
            for _ in 0..<10 { clients.append(try proxy.connect()) }
            try await eventually("ten pending connects") {
                try proxy.process.socketCount >= proxy.socketsAtStart + 20
            }
            for client in clients { try client.reset() }
            try await proxy.descriptorsReturn()
        }
    }

    @Test("Data and a FIN sent during the connect are delivered once the server answers")
    func finDuringConnect() async throws {
        let full = try FullListener()
        try await withProxy(to: full.listener, ["--connect-timeout", "10m"]) { proxy in
            let client = try proxy.connect()
            try client.send("request")
            try client.finish()
            try await eventually("pending connect") { try proxy.process.socketCount == proxy.socketsAtStart + 2 }
            // Now the queue has room; the kernel's next SYN, one or three seconds after the first, succeeds.
            try full.makeRoom()
            let server = try full.listener.accept()
            #expect(try server.receiveRest() == .init(bytes: Array("request".utf8), end: .fin))
            try server.send("answer")
            server.close()
            #expect(try client.receiveRest() == .init(bytes: Array("answer".utf8), end: .fin))
            try await proxy.descriptorsReturn()
        }
    }

    @Test("An unknown host is a one-line error with an exit code")
    func unknownHost() async throws {
        let result = try await runMonkey(["proxy", "127.0.0.1:0", "no-such-host.invalid:80", "--admin", "off"])
        result.expectFailure(naming: "no-such-host.invalid")
    }

    @Test("A host name is resolved")
    func hostName() async throws {
        let upstream = try TestListener()
        try await withProxy(to: "localhost:\(upstream.port)") { proxy in
            try RelayedPair(through: proxy, to: upstream).exchange()
        }
    }

    @Test(
        "Every address of a name is tried in turn",
        .enabled("needs permission to give the proxy its own /etc/hosts (unshare)") { await OwnHosts.isPossible },
        arguments: ["127.0.0.1", "127.0.0.3", "::1"]
    )
    func severalAddresses(serving host: String) async throws {
        let (upstream, reserved) = try TestListener.alone(on: host, of: ["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"])
        defer { withExtendedLifetime(reserved) {} }
        try await withScratchFolder { folder in
            let hosts = try OwnHosts(
                in: folder,
                names: ["127.0.0.2", "::1", "127.0.0.3", "127.0.0.1"].map { ($0, "many.test") }
            )
            try await withProxy(to: "many.test:\(upstream.port)", under: hosts.wrapper) { proxy in
                for _ in 0..<8 { try RelayedPair(through: proxy, to: upstream).exchange() }
                upstream.close()
                #expect(try proxy.connect().receiveRest().bytes.isEmpty)
            }
        }
    }

    @Test(
        "An address that does not answer is skipped for the next one",
        .enabled("needs permission to give the proxy its own /etc/hosts (unshare)") { await OwnHosts.isPossible }
    )
    func silentAddress() async throws {
        // In either order one of the two is silent, and in one of the two runs it is the first.
        for (silent, serving) in [("127.0.0.2", "127.0.0.3"), ("127.0.0.3", "127.0.0.2")] {
            let full = try FullListener(on: .ip(silent, port: 0))
            let upstream = try TestListener(on: .ip(serving, port: full.listener.port))
            try await withScratchFolder { folder in
                let hosts = try OwnHosts(in: folder, names: [(silent, "two.test"), (serving, "two.test")])
                let options = ["--connect-timeout", "500ms"]
                try await withProxy(to: "two.test:\(upstream.port)", options, under: hosts.wrapper) { proxy in
                    try RelayedPair(through: proxy, to: upstream).exchange()
                }
            }
        }
    }

    @Test("--source sets the source address that the server sees")
    func source() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--source", "127.0.0.2"]) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            guard case .ip("127.0.0.2", _) = try pair.server.peerAddress else {
                throw Unexpected("unexpected source address \(try pair.server.peerAddress)", at: #_sourceLocation)
            }
            try pair.exchange()
        }
    }

    @Test("All configured source addresses are used")
    func severalSources() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--source", "127.0.0.2", "--source", "127.0.0.3"]) { proxy in
            var hosts: Set<String> = []
            for _ in 0..<32 {
                let pair = try RelayedPair(through: proxy, to: upstream)
                if case .ip(let host, _) = try pair.server.peerAddress { hosts.insert(host) }
                try pair.exchange()
            }
            #expect(hosts == ["127.0.0.2", "127.0.0.3"])
        }
    }
}
