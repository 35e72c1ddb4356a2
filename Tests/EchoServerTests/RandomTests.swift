import Sockets
import EchoServer
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
        let server = try FakeServer(capacity: Bool.random(using: &random, in: 4) ? 5 : 1000) {
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
        if Bool.random(using: &random, in: 4) { server.network.connectionLimit = 3 }

        var clients: [Client] = []
        for _ in 0..<300 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0 where clients.count < 15:
                clients.append(Client(server.network.connect(), sourceLike: mode == .source))
            case 1: server.run(.milliseconds(Int.random(in: 0...100, using: &random)))
            case 2...3: server.turn()
            default:
                if let client = clients.randomElement(using: &random) { client.act(&random) }
            }
        }
        // From here on all clients receive what arrives, and close.
        let firstEnd = server.network.now
        server.network.connectionLimit = .max
        while server.network.now.since(firstEnd) < .seconds(60), clients.contains(where: { !$0.far.isClosed }) {
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
        #expect(counters.bytesSent == clients.reduce(0) { $0 + $1.far.incoming.count })
        let received = clients.reduce(0) { $0 + $1.sent - $1.far.outgoing.count }
        // Bytes discarded by a reset were sent and never received.
        #expect(clients.contains { $0.far.hasReset } || counters.bytesReceived == received)
        server.drain(grace: .zero)
        #expect(server.run())
    }

    private static let (requestSize, responseSize) = (20_000, 70_001)

    private final class Client {
        let far: FakeClient
        private(set) var sent = 0

        init(_ far: FakeClient, sourceLike: Bool) {
            self.far = far
            // A source that is read without a limit never ends.
            if sourceLike { far.shutWindow() }
        }

        func act(_ random: inout SplitMix64) {
            switch Int.random(in: 0..<20, using: &random) {
            case 0: if !far.hasFinished, !far.hasReset { far.finish() }
            case 1: if Bool.random(using: &random, in: 4), !far.hasReset { far.reset() }
            case 2...4: far.shutWindow()
            case 5...9: far.open(window: Int.random(in: 1...100_000, using: &random))
            case 10: far.receiveLimit = .max
            default: send(1 << Int.random(in: 0...17, using: &random), &random)
            }
        }

        private func send(_ most: Int, _ random: inout SplitMix64) {
            guard !far.hasFinished, !far.hasReset else { return }
            let count = Int.random(in: 1...most, using: &random)
            // Occasionally urgent data, at which a receive stops.
            let isUrgent = Bool.random(using: &random, in: 8)
            if isUrgent { far.receiveLimit = Int.random(in: 1000...70_000, using: &random) }
            var bytes = [UInt8](repeating: 0, count: count)
            bytes.withUnsafeMutableBytes { BytePattern.fill($0, from: sent) }
            far.send(bytes, urgent: isUrgent)
            sent += count
        }

        func end(resetting: Bool) {
            guard !far.isClosed else { return }
            if far.receiveLimit < .max { far.send([], urgent: true) }
            far.open(window: 1 << 20)
            if resetting, !far.hasReset { far.reset() }
            if !far.hasFinished, !far.hasReset { far.finish() }
        }

        func problem(mode: EchoServer.Mode, closeAfter: Int?) -> String? {
            if !far.isClosed { return "never closed" }
            if far.isAborted { return "aborted" }
            let period = mode == .respond ? RandomTests.responseSize : .max
            for start in stride(from: 0, to: far.incoming.count, by: period) {
                let piece = far.incoming[start...].prefix(period)
                if let first = piece.withUnsafeBytes({ BytePattern.firstDifference(in: $0) }) {
                    return "byte \(start + first) of \(far.incoming.count) is wrong"
                }
            }
            let count = far.incoming.count
            switch mode {
            case .sink: return count == 0 ? nil : "a sink sent \(count)"
            case .source:
                if far.hasReset { return nil }
                return count == closeAfter ? nil : "got \(count)"
            case .echo, .respond:
                let owed = mode == .echo ? sent : sent / RandomTests.requestSize * RandomTests.responseSize
                let expected = min(owed, closeAfter ?? .max)
                if far.hasReset { return count <= expected ? nil : "got \(count) of \(expected)" }
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
