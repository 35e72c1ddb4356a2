import FakeSystem
import Relay
import Sockets
import Testing

@testable import TCPProxy

/// How often a worker wakes up for what it does. Each time costs a call of the system and a turn, so much should be done
/// with each.
@Suite("Wake-ups")
struct WakeUpTests {
    @Test("a round trip takes two, one for each message", arguments: [Engine.auto, .copy])
    func roundTrip(engine: Engine) throws {
        try withProxy(configure: { $0.engine = engine }) { proxy in
            let (client, server) = try proxy.connectThrough()
            let message = String(repeating: "x", count: 64)
            for round in 0..<100 {
                let before = proxy.waits
                client.send(message)
                proxy.settle()
                server.send(message)
                proxy.settle()
                #expect(proxy.waits - before == 2, "round \(round)")
            }
            #expect(client.received.count == 100 * 64)
        }
    }

    /// How fast a server sends, and how many wake-ups that may cost for a MiB.
    struct Pace: CustomTestStringConvertible {
        let piece: Int
        let interval: Duration
        let limit: Int

        var testDescription: String { "\(piece >> 10) KiB each \(interval)" }
    }

    @Test(
        "in bulk one of them moves much, for bytes gather in between",
        arguments: [
            Pace(piece: 64 << 10, interval: .microseconds(125), limit: 5),
            Pace(piece: 16 << 10, interval: .microseconds(31), limit: 5),
            Pace(piece: 256 << 10, interval: .milliseconds(1), limit: 9),
            Pace(piece: 64 << 10, interval: .milliseconds(1), limit: 17),
        ]
    )
    func bulk(pace: Pace) throws {
        let world = FakeWorld()
        world.sendBuffer = 4 << 20
        world.receiveBuffer = 4 << 20
        try withProxy(in: world) { proxy in
            let (client, server) = try proxy.connectThrough()
            // This much at once is bulk, and known as such when what follows comes.
            let burst = 1 << 20
            server.sendPattern(count: burst)
            let size = 16 << 20
            let pieces = size / pace.piece
            let start = world.clock
            for piece in 0..<pieces {
                world.plan(at: start + pace.interval * piece) {
                    server.sendPattern(from: burst + piece * pace.piece, count: pace.piece)
                }
            }
            let before = proxy.waits
            proxy.advance(by: pace.interval * pieces + .milliseconds(3))
            let waits = proxy.waits - before
            #expect(client.patternReceived == burst + size)
            #expect(proxy[.splicedDownstream] >= size)
            #expect(waits <= pace.limit * (size >> 20), "\(Double(waits) / Double(size >> 20)) for each MiB")
        }
    }
}
