import Support
import Testing

private let megabyte = 1 << 20

@Suite(
    "A reset is forwarded as a reset, after the data before it",
    .ownThreads,
    .eachEngine,
    .serialized,
    .timeLimit(.minutes(2))
)
struct ResetTests {
    @Test("An idle connection is reset", arguments: Direction.allCases)
    func atRest(_ direction: Direction) async throws {
        try await withRelayedPair { proxy, pair in
            try pair.exchange()
            try pair.reset(direction)
            try await proxy.descriptorsReturn()
        }
    }

    @Test(
        "Bytes in flight reach a late reader before the reset",
        arguments: Direction.allCases,
        [1, 2]
    )
    func inFlight(_ direction: Direction, threads: Int) async throws {
        let pattern = Pattern(seed: 21)
        try await withRelayedPair(threads: threads, receiveBuffer: 8192) { proxy, pair in
            let sender = pair.sender(direction)
            // A quarter of a megabyte exceeds the reader's window and fits the buffers of the sender's and the proxy's
            // kernels, so all of it is in flight and none has been read when the reset arrives.
            try sender.send(pattern, count: megabyte / 4)
            try await eventually("arrival at the proxy's kernel") { try sender.unacknowledged == 0 }
            try sender.reset()
            // The reader starts when the proxy has handled the reset; a faulty one would have forwarded it by then.
            var wakeUps = 0
            try await eventually("rest of the proxy") {
                let before = wakeUps
                wakeUps = try proxy.process.wakeUps
                return wakeUps == before
            }
            let received = try pair.receiver(direction).receiveRest(of: pattern)
            #expect(received == (megabyte / 4, .reset))
            try await proxy.descriptorsReturn()
        }
    }

    @Test("A reset reaches an active reader", arguments: Direction.allCases)
    func whileReading(_ direction: Direction) async throws {
        let pattern = Pattern(seed: 22)
        try await withRelayedPair { _, pair in
            let sender = pair.sender(direction)
            async let received = pair.receiver(direction).receiveRest(of: pattern)
            try sender.send(pattern, count: 4 * megabyte)
            try await eventually("arrival at the proxy's kernel") { try sender.unacknowledged == 0 }
            try sender.reset()
            #expect(try await received == (4 * megabyte, .reset))
        }
    }

    @Test("A server's first bytes arrive before its immediate reset")
    func afterFirstWords() async throws {
        try await withRelayedPairs(30) { pair in
            let words = "too many connections\r\n"
            try pair.server.send(words)
            try pair.server.reset()
            #expect(try pair.client.receiveRest() == .init(bytes: Array(words.utf8), end: .reset))
        }
    }

    @Test("A response to a half-closed client arrives before an immediate reset")
    func afterAnswer() async throws {
        let pattern = Pattern(seed: 24)
        let upstream = try TestListener()
        try await withProxy(to: upstream) { proxy in
            for _ in 0..<10 {
                let client = try proxy.connect()
                try client.send("request")
                try client.finish()
                let server = try upstream.accept()
                #expect(try server.receiveRest() == .init(bytes: Array("request".utf8), end: .fin))
                try server.send(pattern, count: 65_536)
                try await eventually("arrival at the proxy's kernel") { try server.unacknowledged == 0 }
                try server.reset()
                let received = try client.receiveRest(of: pattern)
                #expect(received == (65_536, .reset))
            }
        }
    }

    @Test("A reset follows the other side's half-close", arguments: Direction.allCases)
    func afterHalfClose(_ direction: Direction) async throws {
        try await withRelayedPair { _, pair in
            try pair.halfClose(direction.other)
            try pair.sender(direction).send("more")
            try pair.receiver(direction).receive("more")
            try pair.reset(direction)
        }
    }

    @Test("A reset follows its own half-close", arguments: Direction.allCases)
    func afterOwnHalfClose(_ direction: Direction) async throws {
        try await withRelayedPair { proxy, pair in
            let leaver = pair.sender(direction)
            let other = pair.receiver(direction)
            try leaver.send("last")
            try leaver.finish()
            try other.receive("last")
            #expect(try other.receive(upTo: 1).isEmpty)
            try leaver.reset()
            // Its stream had ended properly; the other side is informed of the data it no longer accepts.
            try await eventually("reset when the other side sends") {
                do {
                    return try other.sendWithoutWaiting([0]) == 0
                } catch let failure as SystemFailure {
                    return failure.isEndOfConnection
                }
            }
            try await proxy.descriptorsReturn()
        }
    }
}

/// A separate suite: each test takes seconds, most of them waiting.
@Suite("A reset waits for its delivery, but not indefinitely", .ownThreads, .eachEngine, .timeLimit(.minutes(2)))
struct StalledResetTests {
    @Test("A permanently stalled reader does not keep a reset connection open", arguments: Direction.allCases)
    func stalledReader(_ direction: Direction) async throws {
        let pattern = Pattern(seed: 23)
        let upstream = try TestListener(receiveBuffer: 8192)
        try await withProxy(to: upstream, metrics: true) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream, clientReceiveBuffer: 8192)
            _ = try await sendUntilStuck([pair.sender(direction)], pattern)
            try pair.sender(direction).reset()
            // The configured timeout for emptying the send queue ends it, although the receiver stays connected.
            try await proxy.descriptorsReturn(within: .seconds(60))

            // Data that reached the receiver stays with it; data that counted as sent and did not arrive counts as
            // discarded.
            let received = try pair.receiver(direction).receiveRest(of: pattern)
            #expect(received.end == .reset)
            let metrics = try proxy.readMetrics()
            let sent = try #require(metrics.value("bytes_\(direction)"))
            let name = "monkey_discarded_bytes_total"
            let discarded = try #require(metrics.value(name, ["direction": "\(direction)"]))
            #expect(discarded > 0)
            #expect(sent - Double(received.count) <= discarded)
            #expect(metrics.value(name, ["direction": "\(direction.other)"]) == 0)
        }
    }
}
