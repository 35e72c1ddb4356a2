import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Bandwidth limit of a connection")
struct BandwidthLimitTests {
    @Test("each direction moves its bytes per second, complete and in order", arguments: [false, true])
    func rate(isDownstream: Bool) throws {
        try withProxy(configure: { $0.bandwidth = 100_000 }) { proxy in
            let (client, server) = try proxy.connectThrough()
            let (sender, receiver) = isDownstream ? (server, client) : (client, server)
            sender.sendPattern(count: 500_000)
            sender.finish()
            proxy.settle()
            // The burst after an idle period.
            #expect(receiver.received.count == 10_000)
            for second in 1...4 {
                proxy.advance(by: .seconds(1))
                let most = 10_000 + second * 100_000
                #expect((most - 6000...most).contains(receiver.received.count))
            }
            #expect(receiver.end == nil)
            proxy.advance(by: .seconds(1))
            #expect(receiver.patternReceived == 500_000)
            #expect(receiver.end == .fin)
            // The other direction still works.
            receiver.send("thanks")
            proxy.settle()
            #expect(sender.text == "thanks")
        }
    }

    @Test("a low rate is kept from the start", arguments: [(2000, 1460), (14_600, 1460), (20_000, 2000)])
    func lowRate(rate: Int, burst: Int) throws {
        try withProxy(configure: { $0.bandwidth = rate }) { proxy in
            let (client, server) = try proxy.connectThrough()
            client.sendPattern(count: 40_000)
            proxy.settle()
            #expect(server.received.count == burst)
            proxy.advance(by: .seconds(1))
            #expect((rate / 2...burst + rate).contains(server.received.count))
        }
    }

    @Test("each direction can have a limit of its own, or none", arguments: [false, true])
    func directions(both: Bool) throws {
        try withProxy(
            configure: { configuration in
                configuration.bandwidth = both ? 50_000 : nil
                configuration.bandwidthUpstream = 20_000
            }
        ) { proxy in
            let (client, server) = try proxy.connectThrough()
            client.sendPattern(count: 500_000)
            server.sendPattern(count: 500_000)
            proxy.advance(by: .seconds(1))
            #expect((16_000...22_000).contains(server.received.count))
            if both {
                #expect((45_000...55_000).contains(client.received.count))
            } else {
                #expect(client.patternReceived == 500_000)
            }
        }
    }

    @Test("a throttled direction costs few wakeups and does not delay the other")
    func wakeUps() throws {
        try withProxy(configure: { $0.bandwidth = 20_000 }) { proxy in
            let (client, server) = try proxy.connectThrough()
            client.sendPattern(count: 200_000)
            proxy.settle()
            let before = proxy.waits
            proxy.advance(by: .seconds(5))
            // A packet takes 73 ms, and the timer wheel also wakes up in between.
            #expect(proxy.waits - before < 5 * 50)
            server.send("hello")
            proxy.settle()
            #expect(client.text == "hello")
            #expect(server.received.count < 120_000)
        }
    }

    @Test("a limited connection is never spliced")
    func copies() throws {
        try withProxy(
            configure: { configuration in
                configuration.bandwidth = 10_000_000
                configuration.engine = .splice
            }
        ) { proxy in
            let (client, server) = try proxy.connectThrough()
            client.sendPattern(count: 3_000_000)
            proxy.advance(by: .seconds(1))
            #expect(server.patternReceived == 3_000_000)
            #expect(proxy[.splicedUpstream] == 0)
        }
    }

    @Test("a server that reads more slowly than the limit sets the pace")
    func slowReader() throws {
        try withProxy(in: .small(receiveBuffer: 1000, sendBuffer: 1000), configure: { $0.bandwidth = 1_000_000 }) {
            proxy in
            let (client, server) = try proxy.connectThrough()
            server.isReading = false
            client.sendPattern(count: 50_000)
            proxy.advance(by: .seconds(5))
            #expect(server.unread == 1000)
            server.isReading = true
            proxy.advance(by: .seconds(1))
            #expect(server.patternReceived == 50_000)
        }
    }

    @Test("bytes sent before a client's reset arrive at the limited rate")
    func reset() throws {
        try withProxy(configure: { $0.bandwidth = 50_000 }) { proxy in
            let (client, server) = try proxy.connectThrough()
            client.sendPattern(count: 60_000)
            proxy.reset(client)
            #expect(server.received.count < 60_000)
            proxy.advance(by: .seconds(3))
            #expect(server.patternReceived == client.process.arrived)
            #expect(server.end == .failed(.connectionReset))
        }
    }

    @Test("an idle connection is not woken")
    func idle() throws {
        try withProxy(configure: { $0.bandwidth = 1000 }) { proxy in
            _ = try proxy.connectThrough()
            proxy.advance(by: .seconds(2))
            let before = proxy.waits
            proxy.advance(by: .seconds(60))
            #expect(proxy.waits == before)
        }
    }
}
