import FakeSystem
import Relay
import Sockets
import Testing

@testable import TCPProxy

/// Which messages are spliced, through how many pipes, and that no message waits for more bytes.
@Suite("Splicing")
struct SpliceTests {
    private static let sizes = [1 << 10, 4 << 10, 16 << 10, 32 << 10, 64 << 10, 200 << 10, 1 << 20]

    @Test("a response of any size is forwarded without delay", arguments: sizes, RelayEngine.allCases)
    func responses(size: Int, engine: RelayEngine) throws {
        try withProxy(in: roomyWorld(), configure: { $0.engine = engine }) { proxy in
            let (client, server) = try proxy.connectThrough()
            let start = proxy.world.clock
            for round in 1...8 {
                client.send("request")
                proxy.settle()
                server.sendPattern(from: (round - 1) * size, count: size)
                proxy.settle()
                #expect(client.patternReceived == round * size, "round \(round)")
            }
            #expect(proxy.world.clock == start)
        }
    }

    @Test("medium messages are spliced, small ones are copied, and each direction decides independently")
    func engines() throws {
        try withProxy(in: roomyWorld()) { proxy in
            let (client, server) = try proxy.connectThrough()
            for round in 0..<8 {
                client.send("request")
                proxy.settle()
                server.sendPattern(from: round * (30 << 10), count: 30 << 10)
                proxy.settle()
            }
            #expect(client.patternReceived == 8 * (30 << 10))
            // The decision takes two copied messages.
            #expect(proxy[.splicedDownstream] == 6 * (30 << 10))
            #expect(proxy[.splicedUpstream] == 0)
            for round in 0..<8 {
                server.sendPattern(from: 8 * (30 << 10) + round * 100, count: 100)
                proxy.settle()
            }
            // The decision takes four small spliced messages.
            #expect(proxy[.splicedDownstream] == 6 * (30 << 10) + 4 * 100)
            #expect(client.patternReceived == 8 * (30 << 10) + 8 * 100)
        }
    }

    @Test("all transfers that the sink accepts completely share one pipe")
    func onePipe() throws {
        try withProxy(in: roomyWorld()) { proxy in
            let pairs = try (0..<32).map { _ in try proxy.connectThrough() }
            let before = proxy.world.openDescriptors.count
            for round in 0..<6 {
                for pair in pairs { pair.server.sendPattern(from: round * (64 << 10), count: 64 << 10) }
                proxy.settle()
            }
            for pair in pairs { #expect(pair.client.patternReceived == 6 * (64 << 10)) }
            #expect(proxy[.splicedDownstream] > 0)
            #expect(proxy[.pipesInUse] == 0)
            #expect(proxy.world.openDescriptors.count == before + 2)
        }
    }

    @Test("a direction keeps its pipe while the sink is blocked, and returns it when the pipe is empty")
    func stalled() throws {
        try withProxy { proxy in
            let (client, server) = try proxy.connectThrough()
            server.sendPattern(count: 200_000)
            proxy.settle()
            client.isReading = false
            server.sendPattern(from: 200_000, count: 5_000_000)
            proxy.advance(by: .seconds(1))
            #expect(proxy[.pipesInUse] + proxy[0].chunksTaken == 1)
            client.isReading = true
            proxy.advance(by: .seconds(1))
            #expect(client.patternReceived == 5_200_000)
            #expect(proxy[.pipesInUse] == 0)
            #expect(proxy[0].chunksTaken == 0)
        }
    }

    @Test("a pipe whose slots are used up before its bytes leaves nothing in the source")
    func fragmentedPipe() throws {
        let world = roomyWorld()
        world.faults.fragmentedPipes = 1
        try withProxy(in: world) { proxy in
            let (client, server) = try proxy.connectThrough()
            for round in 0..<8 {
                server.sendPattern(from: round * 300_000, count: 300_000)
                proxy.settle()
                #expect(client.patternReceived == (round + 1) * 300_000)
            }
            #expect(proxy[.splicedDownstream] > 0)
        }
    }

    @Test("a FIN after spliced bytes is forwarded with them")
    func end() throws {
        try withProxy(in: roomyWorld()) { proxy in
            let (client, server) = try proxy.connectThrough()
            server.sendPattern(count: 300_000)
            server.finish()
            proxy.settle()
            #expect(client.patternReceived == 300_000)
            #expect(client.end == .fin)
        }
    }

    @Test("only a sustained stream batches its reads, and a pause ends that within two milliseconds")
    func batching() throws {
        let policy = BatchingPolicy(minimumKiB: 8 << 10, minimumDuration: .milliseconds(10))
        try withProxy(in: roomyWorld(), batching: policy) { proxy in
            let (client, server) = try proxy.connectThrough()
            let world = proxy.world
            let piece = 64 << 10
            var sent = 0
            func stream(_ pieces: Int) {
                let start = world.clock
                for index in 0..<pieces {
                    world.plan(at: start + .microseconds(100 * index)) { [from = sent + index * piece] in
                        server.sendPattern(from: from, count: piece)
                    }
                }
                sent += pieces * piece
                proxy.advance(by: .microseconds(100 * pieces))
            }
            // 6 MiB are too few.
            let before = proxy.waits
            stream(96)
            #expect(client.patternReceived == sent)
            #expect(proxy.waits - before >= 96)
            // From 8 MiB on several pieces are moved for each wake-up.
            stream(64)
            let waits = proxy.waits
            stream(200)
            #expect(proxy.waits - waits <= 100)
            proxy.advance(by: .milliseconds(2))
            #expect(client.patternReceived == sent)
            // After the pause each piece is forwarded separately again.
            let later = proxy.waits
            stream(96)
            #expect(client.patternReceived == sent)
            #expect(proxy.waits - later >= 96)
        }
    }

    /// A world in which no socket buffer becomes full.
    private func roomyWorld() -> FakeWorld {
        let world = FakeWorld()
        world.sendBuffer = 4 << 20
        world.receiveBuffer = 4 << 20
        return world
    }
}
