import FakeSystem
import Relay
import Sockets
import Testing

@testable import TCPProxy

/// Number of wake-ups of a worker for its work. Each one costs a system call and a turn, so each should do much of the
/// work.
@Suite("Wakeups")
struct WakeupTests {
    @Test("a round trip takes two wakeups, one for each message", arguments: [RelayEngine.auto, .copy])
    func roundTrip(engine: RelayEngine) throws {
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

    /// The pace of a server, and the permitted number of wake-ups for 1 MiB.
    struct Pace: CustomTestStringConvertible {
        let piece: Int
        let interval: Duration
        let limit: Int

        var testDescription: String { "\(piece >> 10) KiB each \(interval)" }
    }

    @Test(
        "in a sustained stream one wakeup moves many bytes, as reads are batched",
        arguments: [
            Pace(piece: 64 << 10, interval: .microseconds(125), limit: 5),
            Pace(piece: 16 << 10, interval: .microseconds(31), limit: 5),
            Pace(piece: 256 << 10, interval: .microseconds(500), limit: 5),
            // A pause ends the batching, so each piece costs one wake-up.
            Pace(piece: 256 << 10, interval: .milliseconds(2), limit: 5),
            Pace(piece: 64 << 10, interval: .milliseconds(2), limit: 17),
        ]
    )
    func sustained(pace: Pace) throws {
        let world = FakeWorld()
        world.sendBuffer = 4 << 20
        world.receiveBuffer = 4 << 20
        let policy = BatchingPolicy(minimumKiB: 1 << 10, minimumDuration: .milliseconds(2))
        try withProxy(in: world, batching: policy) { proxy in
            let (client, server) = try proxy.connectThrough()
            var sent = 0
            func stream(_ size: Int) {
                let start = world.clock
                for piece in 0..<size / pace.piece {
                    world.plan(at: start + pace.interval * piece) { [from = sent + piece * pace.piece] in
                        server.sendPattern(from: from, count: pace.piece)
                    }
                }
                sent += size
                proxy.advance(by: pace.interval * (size / pace.piece))
            }
            stream(4 << 20)
            let size = 16 << 20
            let before = proxy.waits
            stream(size)
            let waits = proxy.waits - before
            proxy.advance(by: .milliseconds(3))
            #expect(client.patternReceived == sent)
            #expect(proxy[.splicedDownstream] >= size)
            #expect(waits <= pace.limit * (size >> 20), "\(Double(waits) / Double(size >> 20)) for each MiB")
        }
    }
}
