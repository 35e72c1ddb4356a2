import Support
import Testing

@Suite(
    "Descriptors do not leak, and running out of them is survived",
    .ownThreads,
    .serialized,
    .timeLimit(.minutes(3))
)
struct DescriptorTests {
    init() throws { try raiseDescriptorLimit() }

    @Test("All descriptors are released after each kind of connection end", .eachEngine, arguments: [1, 2])
    func allReturn(threads: Int) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "\(threads)"]) { proxy in
            for round in 0..<30 {
                let pair = try RelayedPair(through: proxy, to: upstream)
                try pair.exchange()
                switch round % 6 {
                case 0: try pair.client.reset()
                case 1: try pair.server.reset()
                case 2: pair.client.close()
                case 3: pair.server.close()
                case 4:
                    try pair.client.finish()
                    try pair.server.reset()
                default:
                    // With bytes in flight that are never received.
                    _ = try pair.server.sendWithoutWaiting(Array(repeating: 0, count: 1 << 20))
                    pair.client.close()
                }
            }
            // Clients that disconnect before they are accepted or before the server is connected.
            for _ in 0..<100 { try proxy.connect().reset() }
            try await proxy.allDescriptorsReturn()
        }
    }

    @Test("The soft limit is raised to the hard limit")
    func softLimit() async throws {
        try await withProxy(to: "127.0.0.1:1", under: descriptorLimit(1000, soft: 64)) { proxy in
            let limit = try proxy.process.softDescriptorLimit
            #expect(limit == 1000)
        }
    }

    @Test("300 clients under a limit of 120 descriptors are served as far as possible, then again", arguments: [1, 2])
    func storm(threads: Int) async throws {
        let options = ["--threads", "\(threads)", "--summary", "off"]
        try await withProxy(to: "echo", options, under: descriptorLimit(120)) { proxy in
            try await expectSurvival(of: proxy)
        }
    }

    @Test("A limit lowered at run time is survived", arguments: [1, 2])
    func lowered(threads: Int) async throws {
        let upstream = try TestListener()
        let echo = Task { try await onOwnThreads { try await echoForEver(on: upstream) } }
        defer { echo.cancel() }
        let options = ["--threads", "\(threads)", "--summary", "off"]
        try await withProxy(to: upstream, options, under: descriptorLimit(1000)) { proxy in
            // accept and socket now fail with EMFILE although the proxy's limit allows for all connections.
            let change = try await runToEnd(["prlimit", "--pid", "\(proxy.program.processID)", "--nofile=120:1000"])
            #expect(change.exit == .code(0))
            try await expectSurvival(of: proxy)
        }
    }

    /// Opens more connections than there are descriptors; expects some service and little work during that time, and
    /// full service afterwards.
    private func expectSurvival(of proxy: RunningProxy) async throws {
        var clients: [TestSocket] = []
        for _ in 0..<300 {
            let client = try proxy.connect()
            _ = try? client.send("ping")
            clients.append(client)
        }
        let fewest = 20
        try await eventually("service for \(fewest) of the clients") {
            try clients.count { try $0.isAnswered } >= fewest
        }

        // While it has no descriptors it neither spins nor polls: half a second of CPU time in two would be a quarter
        // of a core.
        let work = try proxy.process.processorTime
        let wakeUps = try await increase(of: { try proxy.process.wakeUps }, over: .seconds(2))
        #expect(wakeUps < 500)
        #expect(try proxy.process.processorTime - work < .milliseconds(500))

        for client in clients { client.close() }
        try await proxy.allDescriptorsReturn()
        for _ in 0..<40 {
            let client = try proxy.connect()
            try client.send("again")
            try client.receive("again")
        }
        #expect(try proxy.program.isRunning)
    }
}

extension TestSocket {
    /// Whether bytes have arrived.
    fileprivate var isAnswered: Bool {
        get throws { try readable > 0 }
    }
}

/// Echoes data, connection by connection, until the task is cancelled.
func echoForEver(on listener: TestListener) async throws {
    try await withThrowingDiscardingTaskGroup { group in
        while !Task.isCancelled {
            let socket: TestSocket
            do { socket = try listener.accept() } catch is TimedOut { continue }
            group.addTask {
                while let bytes = try? socket.receive(upTo: 4096), !bytes.isEmpty { try? socket.send(bytes) }
            }
        }
    }
}
