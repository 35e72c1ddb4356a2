import Support
import Testing

private let megabyte = 1 << 20

@Suite(
    "Every byte arrives unaltered and in order",
    .ownThreads,
    .eachEngine,
    .serialized,
    .timeLimit(.minutes(5))
)
struct RelayTests {
    @Test("64 MiB arrive in one direction", arguments: Direction.allCases, [1, 2])
    func bulk(_ direction: Direction, threads: Int) async throws {
        let pattern = Pattern(seed: 1)
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "\(threads)"], metrics: true) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            async let sending: Void = {
                try pair.sender(direction).send(pattern, count: 64 * megabyte)
                try pair.sender(direction).finish()
            }()
            let received = try pair.receiver(direction).receiveRest(of: pattern)
            try await sending
            #expect(received == (64 * megabyte, .fin))

            try pair.receiver(direction).finish()
            #expect(try pair.sender(direction).receiveRest() == .init(bytes: [], end: .fin))
            try await eventually("closed connection in the metrics") {
                try proxy.readMetrics().value("connections_active") == 0
            }
            let metrics = try proxy.readMetrics()
            #expect(metrics.value("bytes_\(direction)") == Double(64 * megabyte))
            #expect(metrics.value("bytes_\(direction.other)") == 0)
            #expect(metrics.value("monkey_bytes_total", ["direction": "\(direction)"]) == Double(64 * megabyte))
            try Engine.current?.expect(in: metrics, direction, isBulk: true)
        }
    }

    @Test("64 MiB arrive in both directions at the same time", arguments: [1, 2])
    func bulkBothWays(threads: Int) async throws {
        let up = Pattern(seed: 2)
        let down = Pattern(seed: 3)
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "\(threads)"], metrics: true) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            async let sendingUp: Void = {
                try pair.client.send(up, count: 64 * megabyte)
                try pair.client.finish()
            }()
            async let sendingDown: Void = {
                try pair.server.send(down, count: 64 * megabyte)
                try pair.server.finish()
            }()
            async let receivedDown = pair.client.receiveRest(of: down)
            let receivedUp = try pair.server.receiveRest(of: up)
            #expect(receivedUp == (64 * megabyte, .fin))
            #expect(try await receivedDown == (64 * megabyte, .fin))
            _ = try await (sendingUp, sendingDown)
            for direction in Direction.allCases {
                try Engine.current?.expect(in: proxy.readMetrics(), direction, isBulk: true)
            }
        }
    }

    @Test("Concurrent connections carry different data", arguments: [1, 2])
    func manyConnections(threads: Int) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "\(threads)"]) { proxy in
            try await withThrowingTaskGroup { group in
                for seed in 0..<16 {
                    let pair = try RelayedPair(through: proxy, to: upstream)
                    let up = Pattern(seed: UInt64(seed))
                    let down = Pattern(seed: UInt64(1000 + seed))
                    group.addTask {
                        try pair.client.send(up, count: megabyte)
                        try pair.client.finish()
                    }
                    group.addTask {
                        let received = try pair.server.receiveRest(of: up)
                        #expect(received == (megabyte, .fin))
                        try pair.server.send(down, count: megabyte)
                        try pair.server.finish()
                    }
                    group.addTask {
                        let received = try pair.client.receiveRest(of: down)
                        #expect(received == (megabyte, .fin))
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("Small messages are forwarded immediately in both directions", arguments: [1, 2])
    func smallMessages(threads: Int) async throws {
        let pattern = Pattern(seed: 4)
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "\(threads)"]) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            var sent = 0
            for size in [1, 2, 3, 100, 1459, 1460, 1461, 4096, 16_384, 65_535, 65_536, 65_537, 131_072] {
                for _ in 0..<8 {
                    try pair.client.send(pattern, from: sent, count: size)
                    try pair.server.receive(pattern, from: sent, count: size)
                    try pair.server.send(pattern, from: sent, count: size)
                    try pair.client.receive(pattern, from: sent, count: size)
                    sent += size
                }
            }
        }
    }

    @Test("The server may send first")
    func serverSpeaksFirst() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.server.send("220 ready\r\n")
            try pair.client.receive("220 ready\r\n")
            try pair.client.send("QUIT\r\n")
            try pair.server.receive("QUIT\r\n")
        }
    }

    @Test("The server's first bytes are not delayed by delayed ACKs")
    func serverIsHeardAtOnce() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream) { proxy in
            let start = ContinuousClock.now
            for _ in 0..<40 {
                let pair = try RelayedPair(through: proxy, to: upstream)
                try pair.server.send("220 ready\r\n")
                try pair.client.receive("220 ready\r\n")
            }
            // With Linux's delayed ACK on the last segment, each handshake takes 200 ms: eight seconds for all. Without
            // it, they take a few hundredths of that.
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }

    @Test("Data and a FIN sent before the server accepts are kept")
    func earlyBytes() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream) { proxy in
            let client = try proxy.connect()
            try client.send("early")
            try client.finish()
            let server = try upstream.accept()
            #expect(try server.receiveRest() == .init(bytes: Array("early".utf8), end: .fin))
            try server.send("answer")
            server.close()
            #expect(try client.receiveRest() == .init(bytes: Array("answer".utf8), end: .fin))
        }
    }

    @Test("A slow reader receives everything", arguments: Direction.allCases)
    func smallReads(_ direction: Direction) async throws {
        let pattern = Pattern(seed: 5)
        try await withRelayedPair(receiveBuffer: 4096) { _, pair in
            async let sending: Void = {
                try pair.sender(direction).send(pattern, count: 2 * megabyte)
                try pair.sender(direction).finish()
            }()
            var received = 0
            while true {
                let bytes = try pair.receiver(direction).receive(upTo: 1 + received % 3000)
                if bytes.isEmpty { break }
                try bytes.withUnsafeBytes { try pattern.check($0, at: received) }
                received += bytes.count
            }
            #expect(received == 2 * megabyte)
            try await sending
        }
    }

    @Test("A client that closes with bytes in flight loses none of them")
    func closeAfterSending() async throws {
        let pattern = Pattern(seed: 6)
        try await withRelayedPair { _, pair in
            async let sending: Void = {
                try pair.client.send(pattern, count: 8 * megabyte)
                pair.client.close()
            }()
            let received = try pair.server.receiveRest(of: pattern)
            #expect(received == (8 * megabyte, .fin))
            try await sending
        }
    }

    @Test("The built-in upstream echo demonstrates the proxy with one command", arguments: [1, 2])
    func innerEcho(threads: Int) async throws {
        let pattern = Pattern(seed: 8)
        try await withProxy(to: "echo", ["--threads", "\(threads)"]) { proxy in
            try await exchangeWithEcho(try proxy.connect(), pattern, count: 4 * megabyte)
            try proxy.end()
        }
    }
}
