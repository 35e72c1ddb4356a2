import EchoServer
import FakeSystem
import Glibc
import Randomness
import Sockets
import Testing

@Suite("Plain echo")
struct PlainEchoTests {
    @Test("A message takes one receive and one send")
    func calls() throws {
        let server = try EchoWorkerHarness()
        let client = server.connect()
        #expect(client.process.receives == 0)
        for number in 1...10 {
            client.send("message \(number)")
            server.run()
            #expect(client.text.hasSuffix("message \(number)"))
            #expect(client.process.receives == number)
            #expect(client.pieces.count == number)
        }
        #expect(client.process.emptyReceives == 0)
    }

    @Test("Bytes sent before the accept are echoed")
    func early() throws {
        let server = try EchoWorkerHarness()
        let client = server.arrive()
        client.send("early")
        client.finish()
        server.run()
        #expect(client.text == "early")
        #expect(client.process.hasClosed)
    }

    @Test("A FIN is answered with a FIN after the last byte")
    func end() throws {
        let server = try EchoWorkerHarness()
        let client = server.connect(sending: "last") { $0.finish() }
        #expect(client.text == "last")
        #expect(client.process.hasClosed && !client.process.hasReset)
        var expected = EchoCounters()
        (expected.total, expected.ended, expected.bytesReceived, expected.bytesSent) = (1, 1, 4, 4)
        #expect(server.counters == expected)
    }

    @Test("A reset is counted as a reset")
    func reset() throws {
        let server = try EchoWorkerHarness()
        let client = server.connect(sending: "lost") { $0.reset() }
        #expect(client.process.hasClosed)
        #expect(server.counters.reset == 1)
        #expect(server.counters.active == 0)
    }

    @Test("A client that does not read is not read from, and receives every byte later")
    func stalledReader() throws {
        let server = try EchoWorkerHarness()
        let client = server.connect()
        client.window = 0
        let bytes = (0..<1_000_000).map { BytePattern.byte(at: $0) }
        client.send(bytes)
        client.finish()
        server.run()
        // The server buffers at most one receive for it.
        #expect(client.process.receives == 1)
        #expect(client.unreceived == 1_000_000 - (256 << 10))
        let waits = server.waits
        server.run(.seconds(60))
        #expect(server.waits - waits == 1)

        var random = SplitMix64(seed: 1)
        while client.received.count < 1_000_000 {
            client.widenWindow(by: Int.random(in: 1...50_000, using: &random))
            server.run()
        }
        #expect(client.received == bytes)
        #expect(client.process.hasClosed && !client.process.hasReset)
    }

    @Test("A reset closes a connection whose client does not read")
    func stalledReset() throws {
        let server = try EchoWorkerHarness()
        let client = server.connect()
        client.window = 0
        client.send([UInt8](repeating: 1, count: 200_000))
        server.run()
        client.reset()
        server.run()
        #expect(client.process.hasClosed)
        #expect(server.counters.reset == 1)
    }

    @Test("Bytes after an urgent byte, which ends a receive, are still received")
    func urgent() throws {
        let server = try EchoWorkerHarness()
        let client = server.connect()
        client.sendUrgent(Array("abc!".utf8))
        client.send("def")
        server.run()
        #expect(client.text == "abc!def")
    }

    @Test("A busy connection does not starve others")
    func fairness() throws {
        let server = try EchoWorkerHarness()
        let greedy = server.connect()
        let others = (0..<10).map { _ in server.connect() }
        greedy.send([UInt8](repeating: 7, count: 50 << 20))
        for round in 0..<20 {
            for other in others { other.send("\(round % 10)") }
            server.turn()
            #expect(others.allSatisfy { $0.received.count == round + 1 })
            // One receive per round: the longer the wait, the more bytes each returns.
            #expect(greedy.process.receives == round + 1)
        }
        #expect(greedy.unreceived > 0)
        server.run()
        #expect(greedy.received.count == 50 << 20)
    }

    @Test("Connections are accepted in batches, interleaved with other connections")
    func batches() throws {
        let server = try EchoWorkerHarness()
        let client = server.connect()
        for _ in 0..<1000 { _ = server.arrive() }
        client.send("now")
        server.turn()
        #expect(server.counters.total <= 65)
        #expect(client.text == "now")
        server.run()
        #expect(server.counters.total == 1001)
    }
}

@Suite("Accepting under resource exhaustion")
struct AcceptTests {
    @Test("Without free descriptors, the server neither spins nor stops accepting")
    func exhaustion() throws {
        let server = try EchoWorkerHarness()
        server.connectionLimit = 3
        let clients = (0..<10).map { _ in server.arrive() }
        let waits = server.waits
        server.run(.seconds(10))
        #expect(server.counters.active == 3)
        // Ten retries per second, and few wakeups for each.
        #expect(server.counters.acceptPauses == 101)
        #expect(server.waits - waits <= 310)

        // A close frees a descriptor immediately, without waiting for the next retry.
        clients[0].finish()
        server.run()
        #expect(server.counters.total == 4)
        // If a descriptor is freed elsewhere, the next retry accepts.
        server.connectionLimit = 20
        server.run(.milliseconds(100))
        #expect(server.counters.total == 10)
        clients[9].send("served")
        server.run()
        #expect(clients[9].text == "served")
    }

    @Test("The server accepts up to its capacity, and again when a connection ends")
    func capacity() throws {
        let server = try EchoWorkerHarness(capacity: 2)
        let clients = (0..<4).map { _ in server.arrive() }
        server.run(.seconds(1))
        #expect(server.counters.active == 2)
        clients[1].reset()
        server.run()
        #expect(server.counters.total == 3)
        clients[0].finish()
        server.run()
        #expect(server.counters.total == 4)
    }

    @Test("A connection aborted before the accept does not block the next")
    func aborted() throws {
        let server = try EchoWorkerHarness()
        server.world.faults.fail(.accept, with: SystemError(code: ECONNABORTED), times: 2)
        let clients = (0..<3).map { _ in server.arrive() }
        server.run()
        #expect(server.counters.total == 3)
        #expect(server.counters.acceptPauses == 0)
        clients[2].send("here")
        server.run()
        #expect(clients[2].text == "here")
    }

    @Test("Any other accept failure is retried later", arguments: [12, 23, 24, 105, 22, 1] as [Int32])
    func otherFailures(code: Int32) throws {
        let server = try EchoWorkerHarness()
        server.world.faults.fail(.accept, with: SystemError(code: code))
        _ = server.arrive()
        server.run()
        #expect(server.counters.total == 0)
        #expect(server.counters.acceptPauses == 1)
        server.run(.milliseconds(100))
        #expect(server.counters.total == 1)
    }
}
