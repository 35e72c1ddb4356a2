import FakeSystem
import Relay
import Testing

@testable import TCPProxy

@Suite("Random traffic")
struct RandomTrafficTests {
    /// - Parameter seed: decides what happens; a failure tells it, and it happens again.
    @Test(
        "whatever happens, bytes arrive in order, ends are true, counters agree and nothing is left",
        arguments: 0..<60
    )
    func seed(seed: Int) throws {
        let traffic = RandomTraffic(seed: UInt64(seed))
        let engine = Engine.allCases[seed % Engine.allCases.count]
        try withProxy(
            workers: 1 + seed % 3,
            limit: 8,
            upstreams: 2,
            in: traffic.world,
            configure: { $0.engine = engine }
        ) { proxy in
            proxy.hub.addListener()
            traffic.plan(clients: 12, through: proxy)
            proxy.advance(by: RandomTraffic.duration)
            #expect(traffic.clientCount == 12)
            // By then all have been told to end. The time after is for slow networks and retries.
            proxy.advance(upTo: .seconds(60)) { proxy.total == 12 && proxy.active == 0 }

            #expect(traffic.complaints == [])
            #expect(proxy.active == 0)
            #expect(proxy.total == 12)
            #expect(proxy.closures.keys.allSatisfy { $0.side != .proxy })
            #expect(traffic.receivedUpstream <= proxy[.bytesUpstream])
            #expect(traffic.receivedDownstream <= proxy[.bytesDownstream])
            expectTrueEvents(of: proxy)
        }
    }

    /// Events and counters tell the same.
    private func expectTrueEvents(of proxy: FakeProxy) {
        var (opened, closed, upstream, downstream) = (0, 0, 0, 0)
        for event in proxy.takeEvents() {
            switch event {
            case .connectionOpened: opened += 1
            case .connectionClosed: closed += 1
            case .bytesUpstream(_, _, let count): upstream += count
            case .bytesDownstream(_, _, let count): downstream += count
            }
        }
        #expect(proxy[.eventsDropped] == 0)
        #expect(opened == proxy.total)
        #expect(closed == proxy.total)
        #expect(upstream == proxy[.bytesUpstream])
        #expect(downstream == proxy[.bytesDownstream])
        let clients = ClientsSnapshot((0..<proxy.mailboxes.count).map { proxy[$0].worker.clientFigures() })
        #expect(clients.clients.reduce(0) { $0 + $1.totalConnections } == proxy.total)
        #expect(clients.clients.reduce(0) { $0 + $1.bytesUpstream } == proxy[.bytesUpstream])
        #expect(clients.clients.reduce(0) { $0 + $1.bytesDownstream } == proxy[.bytesDownstream])
    }

    @Test("the same seed tells the same story")
    func deterministic() throws {
        func story() throws -> [String] {
            var story: [String] = []
            let traffic = RandomTraffic(seed: 42)
            traffic.world.listener = { story.append($0) }
            try withProxy(limit: 8, in: traffic.world) { proxy in
                traffic.plan(clients: 5, through: proxy)
                proxy.advance(by: .seconds(20))
            }
            return story
        }
        let first = try story()
        let isTheSame = try first == story()
        #expect(isTheSame)
        #expect(first.count > 100)
    }
}
