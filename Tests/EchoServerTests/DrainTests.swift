import EchoServer
import FakeSystem
import Sockets
import Testing

@Suite("Drain")
struct DrainTests {
    @Test("Without connections, a drain ends immediately")
    func empty() throws {
        let server = try EchoWorkerHarness()
        server.drain(grace: .seconds(100))
        #expect(server.run())
        #expect(!server.isListening)
    }

    @Test("A drain ends when all connections have completed")
    func ownEnd() throws {
        let server = try EchoWorkerHarness()
        let client = server.connect()
        server.drain(grace: .seconds(30))
        #expect(!server.run(.seconds(10)))
        client.send("still served")
        client.finish()
        #expect(server.run())
        #expect(client.text == "still served")
        #expect(client.process.hasClosed && !client.process.hasReset)
        #expect(server.counters.forced == 0)
    }

    @Test("Connections left after the grace period are reset and counted")
    func forced() throws {
        let server = try EchoWorkerHarness()
        let clients = (0..<5).map { _ in server.connect() }
        clients[0].finish()
        server.run()
        server.drain(grace: .seconds(30))
        #expect(!server.run(.milliseconds(29_999)))
        #expect(server.run(.milliseconds(1)))
        #expect(clients.dropFirst().allSatisfy { $0.process.hasReset })
        #expect(!clients[0].process.hasReset)
        #expect(server.counters.forced == 4)
        #expect(server.counters.active == 0)
    }

    @Test("Connections in the accept queue are served")
    func queue() throws {
        let server = try EchoWorkerHarness()
        let clients = (0..<200).map { _ in server.arrive() }
        for client in clients {
            client.send("x")
            client.finish()
        }
        server.drain(grace: .seconds(30))
        #expect(server.run())
        #expect(server.world.abandoned == 0)
        #expect(clients.allSatisfy { $0.text == "x" && $0.process.hasClosed && !$0.process.hasReset })
    }

    @Test("Without a grace period, all connections are reset immediately")
    func noGrace() throws {
        let server = try EchoWorkerHarness()
        let client = server.connect()
        let queued = server.arrive()
        server.drain(grace: .zero)
        #expect(server.run())
        #expect(client.process.hasReset)
        #expect(queued.process.hasReset)
    }

    @Test("A second drain can shorten the grace period but not extend it", arguments: [(10, 5), (5, 10), (5, 0)])
    func again(first: Int, second: Int) throws {
        let server = try EchoWorkerHarness()
        let client = server.connect()
        server.drain(grace: .seconds(first))
        server.run()
        server.drain(grace: .seconds(second))
        let end = Duration.seconds(min(first, second))
        if end > .zero { #expect(!server.run(end - .milliseconds(1))) }
        #expect(server.run(.milliseconds(1)))
        #expect(client.process.hasReset)
    }

    @Test("A drain works while accepting is paused for lack of descriptors")
    func exhausted() throws {
        let server = try EchoWorkerHarness()
        server.connectionLimit = 1
        let client = server.arrive()
        _ = server.arrive()
        server.run()
        #expect(server.counters.acceptPauses == 1)
        server.drain(grace: .seconds(1))
        server.run()
        #expect(!server.isListening)
        client.finish()
        #expect(server.run(.seconds(2)))
    }

    @Test("A drain waits for lingering connections")
    func lingering() throws {
        let server = try EchoWorkerHarness { $0.closeAfter = 1 }
        let client = server.connect(sending: "x")
        server.drain(grace: .seconds(30))
        #expect(!server.run(.seconds(1)))
        #expect(server.run(.seconds(5)))
        #expect(client.process.hasClosed)
    }
}
