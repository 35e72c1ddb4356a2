import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

/// Events in a batch for a descriptor that has been closed since, and whose number, slot or connection may be in use
/// again.
@Suite("Stale events")
struct StaleEventTests {
    @Test("events of a closed connection are not applied to the next one in its slot")
    func slotTakenAgain() throws {
        try withProxy { proxy in
            // One batch reports the first client's reset, the second client and the first one's server, in this order.
            // The first two put another connection into the slot that the third was for.
            proxy.server.answer = .fail(.connectionRefused, after: .seconds(1))
            let first = proxy.connect()
            var second: FakePeer?
            proxy.world.plan(after: .seconds(1)) {
                first.reset()
                second = proxy.connect()
            }
            proxy.settle()
            proxy.server.answer = .silence
            proxy.advance(by: .seconds(1))
            #expect(proxy.total == 2)
            #expect(proxy.active == 1)
            #expect(proxy.failures == [.clientGone: 1])
            #expect(second?.end == nil)
            #expect(proxy.connected == 0)
        }
    }

    @Test("events of a failed attempt are not applied to the next attempt")
    func nextAttempt() throws {
        try withProxy(upstreams: 2) { proxy in
            proxy.world.faults.doubledEvents = 1
            proxy.servers[0].answer = .fail(.connectionRefused, after: .seconds(1))
            proxy.servers[1].answer = .silence
            let client = proxy.connect()
            client.send("hello")
            proxy.advance(by: .seconds(2))
            #expect(proxy.servers.map(\.attempts) == [1, 1])
            #expect(proxy.failures == [.refused: 1])
            #expect(client.end == nil)
            #expect(proxy.connected == 0)
        }
    }

    @Test("events of a closed connection are ignored")
    func ended() throws {
        try withProxy { proxy in
            proxy.world.faults.doubledEvents = 1
            for _ in 0..<10 {
                let (client, server) = try proxy.connectThrough()
                client.send("hello")
                client.close()
                server.close()
                proxy.settle()
            }
            #expect(proxy.active == 0)
            #expect(proxy.closures.values.reduce(0, +) == 10)
        }
    }

    @Test("late and duplicate events and interrupted waits change nothing", arguments: 0..<20)
    func disorder(seed: Int) throws {
        let world = FakeWorld(seed: UInt64(seed))
        world.faults.doubledEvents = 0.3
        world.faults.lateEvents = 0.5
        world.faults.interruptedWaits = 0.3
        try withProxy(in: world) { proxy in
            var pairs: [(client: FakePeer, server: FakePeer)] = []
            for _ in 0..<10 {
                let (client, server) = try proxy.connectThrough()
                client.sendPattern(count: 10_000)
                server.sendPattern(count: 20_000)
                client.finish()
                pairs.append((client, server))
            }
            proxy.settle()
            for (client, server) in pairs {
                #expect(server.patternReceived == 10_000)
                #expect(client.patternReceived == 20_000)
                server.close()
            }
            proxy.settle()
            #expect(proxy.active == 0)
            #expect(proxy.closures == [.by(.client, .ended): 10])
        }
    }
}
