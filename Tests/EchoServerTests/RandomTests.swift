import EchoServer
import FakeSystem
import Randomness
import Sockets
import Testing

@Suite("Echo under random conditions")
struct RandomTests {
    /// Clients that send, receive, close and reset as decided by a seed, in all modes. Invariants: a client receives
    /// what it has sent, in order; a client that did not reset receives all of it and a FIN; and the counters agree.
    @Test("Bytes arrive intact, and all connections are closed", arguments: 1...60 as ClosedRange<UInt64>)
    func anything(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let modes = [EchoServer.Mode.echo, .echo, .echo, .sink, .source, .respond]
        let mode = modes.randomElement(using: &random) ?? .echo
        let closeAfter = Bool.random(using: &random, in: 4) ? Int.random(in: 1...200_000, using: &random) : nil
        let server = try EchoWorkerHarness(capacity: Bool.random(using: &random, in: 4) ? 5 : 1000) {
            $0.mode = mode
            $0.requestSize = Self.requestSize
            $0.responseSize = Self.responseSize
            $0.closeAfter = closeAfter
            $0.seed = seed
            if Bool.random(using: &random, in: 3) { $0.chunk = Int.random(in: 1...5000, using: &random) }
            if Bool.random(using: &random, in: 3) {
                $0.stall = .init(length: .milliseconds(50), period: .milliseconds(300))
            }
            if mode == .echo, Bool.random(using: &random, in: 3) {
                $0.delay = [
                    .constant(.milliseconds(7)), .uniform(from: .zero, to: .milliseconds(40)),
                    .exponential(mean: .milliseconds(10)), .list([.zero, .milliseconds(3)]),
                ].randomElement(using: &random)
            }
        }
        if Bool.random(using: &random, in: 4) { server.connectionLimit = 3 }

        var clients: [Client] = []
        for _ in 0..<300 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0 where clients.count < 15:
                clients.append(Client(server.arrive(), sourceLike: mode == .source))
            case 1: server.run(.milliseconds(Int.random(in: 0...100, using: &random)))
            case 2...3: server.turn()
            default:
                if let client = clients.randomElement(using: &random) { client.act(&random) }
            }
        }
        // From here on all clients receive what arrives, and close.
        let firstEnd = server.world.clock
        server.connectionLimit = nil
        while server.world.clock.since(firstEnd) < .seconds(60), clients.contains(where: { !$0.far.process.hasClosed })
        {
            for client in clients { client.end(resetting: mode == .source && closeAfter == nil) }
            server.run(.milliseconds(100))
        }
        for (index, client) in clients.enumerated() {
            if let problem = client.problem(mode: mode, closeAfter: closeAfter) {
                Issue.record("seed \(seed), client \(index): \(problem)")
            }
        }
        let counters = server.counters
        #expect(counters.total == clients.count)
        #expect(counters.active == 0)
        #expect(counters.ended + counters.reset + counters.closed == clients.count)
        #expect(counters.bytesSent == clients.reduce(0) { $0 + $1.far.received.count })
        let received = clients.reduce(0) { $0 + $1.sent - $1.far.unreceived }
        // Bytes discarded by a reset were sent and never received.
        #expect(clients.contains { $0.hasReset } || counters.bytesReceived == received)
        server.drain(grace: .zero)
        #expect(server.run())
    }

    private static let (requestSize, responseSize) = (20_000, 70_001)

    private final class Client {
        let far: FakePeer
        private(set) var sent = 0
        private var hasFinished = false
        private(set) var hasReset = false

        init(_ far: FakePeer, sourceLike: Bool) {
            self.far = far
            // A source that is read without a limit never ends.
            if sourceLike { far.window = 0 }
        }

        func act(_ random: inout SplitMix64) {
            switch Int.random(in: 0..<20, using: &random) {
            case 0: finish()
            case 1: if Bool.random(using: &random, in: 4) { reset() }
            case 2...4: far.window = 0
            case 5...9: far.widenWindow(by: Int.random(in: 1...100_000, using: &random))
            default: send(1 << Int.random(in: 0...17, using: &random), &random)
            }
        }

        private func finish() {
            guard !hasReset else { return }
            hasFinished = true
            far.finish()
        }

        private func reset() {
            hasReset = true
            far.reset()
        }

        private func send(_ most: Int, _ random: inout SplitMix64) {
            guard !hasFinished, !hasReset else { return }
            let count = Int.random(in: 1...most, using: &random)
            var bytes = [UInt8](repeating: 0, count: count)
            bytes.withUnsafeMutableBytes { BytePattern.fill($0, from: sent) }
            // Occasionally urgent data, at which a receive stops.
            if Bool.random(using: &random, in: 8) { far.sendUrgent(bytes) } else { far.send(bytes) }
            sent += count
        }

        func end(resetting: Bool) {
            guard !far.process.hasClosed else { return }
            far.widenWindow(by: 1 << 20)
            if resetting { reset() } else { finish() }
        }

        func problem(mode: EchoServer.Mode, closeAfter: Int?) -> String? {
            if !far.process.hasClosed { return "never closed" }
            if far.process.hasReset { return "aborted" }
            let period = mode == .respond ? RandomTests.responseSize : .max
            for start in stride(from: 0, to: far.received.count, by: period) {
                let piece = far.received[start...].prefix(period)
                if let first = piece.withUnsafeBytes({ BytePattern.firstDifference(in: $0) }) {
                    return "byte \(start + first) of \(far.received.count) is wrong"
                }
            }
            let count = far.received.count
            switch mode {
            case .sink: return count == 0 ? nil : "a sink sent \(count)"
            case .source:
                if hasReset { return nil }
                return count == closeAfter ? nil : "got \(count)"
            case .echo, .respond:
                let owed = mode == .echo ? sent : sent / RandomTests.requestSize * RandomTests.responseSize
                let expected = min(owed, closeAfter ?? .max)
                if hasReset { return count <= expected ? nil : "got \(count) of \(expected)" }
                return count == expected ? nil : "got \(count) of \(expected)"
            }
        }
    }
}

extension Bool {
    /// Returns true with probability 1 / `count`.
    fileprivate static func random(using generator: inout SplitMix64, in count: Int) -> Bool {
        Int.random(in: 0..<count, using: &generator) == 0
    }
}
