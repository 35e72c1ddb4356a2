import EchoServer
import FakeSystem
import Sockets
import Testing

@Suite("Stall")
struct StallTests {
    private func stalling(_ configure: (inout EchoServer.Configuration) -> Void = { _ in }) throws -> EchoWorkerHarness
    {
        try EchoWorkerHarness {
            $0.stall = .init(length: .seconds(1), period: .seconds(10))
            configure(&$0)
        }
    }

    /// A request every 100 ms for a minute: requests in the last second of every ten wait until its end; all others are
    /// answered immediately.
    @Test("Nothing is answered for the last second of every ten", arguments: [nil, Duration.milliseconds(200)])
    func phases(delay: Duration?) throws {
        let server = try stalling { $0.delay = delay.map { .constant($0) } }
        let start = server.world.clock
        let client = server.connect()
        for number in 0..<600 {
            // In the middle of each tenth of a second, so that no request falls on a boundary.
            let due = start + .milliseconds(100 * number + 50)
            server.run(due.since(server.world.clock))
            let (answered, time) = (client.received.count, server.world.clock)
            client.send([1])
            server.run()
            let inPeriod = Duration.milliseconds((100 * number + 50) % 10_000)
            if inPeriod >= .seconds(9) {
                #expect(client.received.count == answered)
            } else if delay == nil {
                #expect(client.received.count == answered + 1)
                #expect(client.arrivals.last?.at == time)
            }
        }
        server.run(.seconds(2))
        #expect(client.received.count == 600)
    }

    @Test("Requests received in a stall are answered when it ends, not before")
    func over() throws {
        try expectAnswerAfterStall(toRequestAt: .milliseconds(9001), of: try stalling())
    }

    /// Sends a request; its answer must arrive at the end of the stall, which is at 10 s.
    private func expectAnswerAfterStall(toRequestAt time: Duration, of server: EchoWorkerHarness) throws {
        let end = server.world.clock + .seconds(10)
        let client = server.connect()
        server.run(time)
        client.send("stalled")
        server.run(.milliseconds(9999) - time)
        #expect(client.text == "")
        server.run(.milliseconds(2))
        #expect(client.text == "stalled")
        #expect(client.arrivals.last?.at == end)
    }

    @Test("No connection is accepted during a stall, and the server sleeps")
    func accepting() throws {
        let server = try stalling()
        server.run(.milliseconds(9500))
        let clients = (0..<3).map { _ in server.arrive() }
        for client in clients { client.send("hello") }
        let waits = server.waits
        server.run(.milliseconds(499))
        #expect(server.counters.total == 0)
        #expect(server.waits - waits < 10)
        server.run(.milliseconds(2))
        #expect(clients.allSatisfy { $0.text == "hello" })
    }

    @Test("A connection that arrives as the stall starts is not accepted")
    func acceptingAtTheEdge() throws {
        let server = try stalling()
        server.skip(.seconds(9))
        let client = server.arrive()
        server.turn()
        #expect(server.counters.total == 0)
        client.finish()
        server.run(.seconds(1))
        #expect(server.counters.ended == 1)
    }

    @Test("A connection that times out in a stall is closed during it")
    func gone() throws {
        let server = try EchoWorkerHarness {
            $0.stall = .init(length: .seconds(6), period: .seconds(10))
            $0.closeAfter = 1
        }
        let client = server.connect()
        client.send("x")
        server.run(.milliseconds(3999))
        #expect(client.hasReceivedFIN && !client.process.hasClosed)
        server.run(.milliseconds(500))
        // Readable, but not before the stall is over; its deadline is at 5 s.
        client.send("y")
        server.run(.seconds(1))
        #expect(client.process.hasClosed)
        server.run(.seconds(10))
        #expect(server.counters.closed == 1)
    }

    @Test("A delayed answer due in a stall is sent when it ends")
    func delayed() throws {
        let server = try stalling { $0.delay = .constant(.milliseconds(500)) }
        try expectAnswerAfterStall(toRequestAt: .milliseconds(8800), of: server)
    }

    @Test("A source pauses during a stall")
    func source() throws {
        let server = try stalling { $0.mode = .source }
        let client = server.arrive()
        client.window = 0
        server.run(.milliseconds(9500))
        client.widenWindow(by: 1000)
        server.run(.milliseconds(400))
        #expect(client.received.isEmpty)
        server.run(.milliseconds(200))
        #expect(client.received.count == 1000)
        client.reset()
        server.run()
    }

    @Test("A ready connection pauses during a stall and continues after it")
    func listed() throws {
        let server = try stalling { $0.mode = .source }
        let client = server.arrive()
        for _ in 0..<20 { server.turn() }
        let before = client.received.count
        #expect(before > 0)
        // It always has another turn due, so the time has to be moved past it.
        server.skip(.milliseconds(9100))
        for _ in 0..<3 { server.turn() }
        let during = client.received.count
        server.skip(.milliseconds(500))
        for _ in 0..<3 { server.turn() }
        #expect(client.received.count == during)
        server.skip(.milliseconds(500))
        for _ in 0..<3 { server.turn() }
        #expect(client.received.count > during)
        client.reset()
        server.run()
    }

    @Test("A shutdown during a stall keeps its grace period")
    func shutdown() throws {
        let server = try stalling()
        let client = server.connect()
        server.run(.milliseconds(9100))
        server.drain(grace: .milliseconds(200))
        #expect(!server.run(.milliseconds(199)))
        #expect(server.run(.milliseconds(2)))
        #expect(client.process.hasReset)
    }
}
