import FakeSystem
import Randomness
import Relay
import Sockets
import Testing

@testable import TCPProxy

@Suite("Relaying")
struct RelayTests {
    @Test("both directions are relayed at the same time, complete and counted", arguments: RelayEngine.allCases)
    func bothWays(engine: RelayEngine) throws {
        try withProxy(configure: { $0.engine = engine }) { proxy in
            let (client, server) = try proxy.connectThrough()
            client.sendPattern(count: 3_000_000)
            server.sendPattern(from: 7, count: 2_000_000)
            client.finish()
            server.finish()
            proxy.advance(by: .seconds(1))
            #expect(server.patternReceived == 3_000_000)
            #expect(client.received.count == 2_000_000)
            #expect(BytePattern.firstDifference(in: client.received, from: 7) == nil)
            #expect(client.end == .fin)
            #expect(server.end == .fin)
            #expect(proxy[.bytesUpstream] == 3_000_000)
            #expect(proxy[.bytesDownstream] == 2_000_000)
            #expect(proxy.closures.keys.map(\.reason) == [.ended])
            #expect((proxy[.splicedUpstream] > 0) == (engine != .copy))
        }
    }

    @Test("one direction ends while the other continues", arguments: RelayEngine.allCases)
    func halfClose(engine: RelayEngine) throws {
        try withProxy(configure: { $0.engine = engine }) { proxy in
            let (client, server) = try proxy.connectThrough()
            client.sendPattern(count: 500_000)
            client.finish()
            proxy.advance(by: .milliseconds(10))
            #expect(server.patternReceived == 500_000)
            #expect(server.end == .fin)
            #expect(client.end == nil)

            server.sendPattern(count: 500_000)
            proxy.advance(by: .milliseconds(10))
            #expect(client.patternReceived == 500_000)
            #expect(client.end == nil)
            server.close()
            proxy.settle()
            #expect(client.end == .fin)
            #expect(proxy.active == 0)
            #expect(proxy.closures == [.by(.client, .ended): 1])
        }
    }

    @Test("the server may close first")
    func serverEndsFirst() throws {
        try withProxy { proxy in
            let (client, server) = try proxy.connectThrough()
            server.send("bye")
            server.finish()
            proxy.settle()
            #expect(client.text == "bye" && client.end == .fin)
            client.send("wait")
            client.close()
            proxy.settle()
            #expect(server.text == "wait" && server.end == .fin)
            #expect(proxy.closures == [.by(.server, .ended): 1])
        }
    }

    @Test("a stalled reader stops reading from the other side, and holds at most one buffer")
    func stalledReader() throws {
        try withProxy { proxy in
            let (client, server) = try proxy.connectThrough()
            client.isReading = false
            server.sendPattern(count: 5_000_000)
            proxy.advance(by: .seconds(10))
            // The client's buffer, the proxy's two, the server's own, and one chunk or pipe are full.
            #expect(server.waiting > 4_000_000)
            #expect(proxy[0].chunksTaken + proxy[.pipesInUse] <= 2)
            let waits = proxy.waits
            proxy.advance(by: .seconds(60))
            #expect(proxy.waits == waits)

            client.isReading = true
            proxy.advance(by: .seconds(1))
            #expect(client.patternReceived == 5_000_000)
            #expect(proxy[0].chunksTaken == 0)
            #expect(proxy[.bytesDownstream] == 5_000_000)
        }
    }

    @Test("a stalled reader does not block other connections")
    func othersGoOn() throws {
        try withProxy { proxy in
            let stalled = try proxy.connectThrough()
            stalled.client.isReading = false
            stalled.server.sendPattern(count: 1_000_000)
            proxy.settle()
            let (client, server) = try proxy.connectThrough()
            client.send("hello")
            server.send("world")
            proxy.settle()
            #expect(server.text == "hello")
            #expect(client.text == "world")
        }
    }

    @Test("a busy connection does not starve others")
    func fairness() throws {
        try withProxy(configure: { $0.engine = .copy }) { proxy in
            let busy = try proxy.connectThrough()
            let other = try proxy.connectThrough()
            busy.client.sendPattern(count: 10_000_000)
            other.client.send("hello")
            // The busy one may have a turn or two before the other has its first.
            for _ in 0..<3 where proxy.isDue() { proxy.turn() }
            #expect(other.server.text == "hello")
            #expect(busy.server.received.count < 1_000_000)
            proxy.settle()
            #expect(busy.server.patternReceived == 10_000_000)
        }
    }

    @Test("without pipes, data is copied, and the failure is counted")
    func noPipes() throws {
        try withProxy { proxy in
            proxy.world.faults.fail(.pipe, with: .tooManyOpenFiles, times: 1000)
            let (client, server) = try proxy.connectThrough()
            client.sendPattern(count: 2_000_000)
            proxy.settle()
            #expect(server.patternReceived == 2_000_000)
            #expect(proxy[.splicedUpstream] == 0)
            #expect(proxy[.pipeAllocationFailures] > 0)
        }
    }

    @Test("a pipe that is too small is closed and not used")
    func smallPipes() throws {
        try withProxy { proxy in
            proxy.world.faults.largestPipe = 8192
            let (client, server) = try proxy.connectThrough()
            let before = proxy.world.openDescriptors
            client.sendPattern(count: 2_000_000)
            proxy.settle()
            #expect(server.patternReceived == 2_000_000)
            #expect(proxy[.splicedUpstream] == 0)
            #expect(proxy.world.openDescriptors == before)
        }
    }

    @Test("unused pipes are closed after a while, without further wakeups")
    func unusedPipes() throws {
        try withProxy(configure: { $0.timeouts.halfClose = nil }) { proxy in
            let (client, server) = try proxy.connectThrough()
            let before = proxy.world.openDescriptors
            client.sendPattern(count: 2_000_000)
            proxy.advance(by: .milliseconds(100))
            #expect(server.patternReceived == 2_000_000)
            #expect(proxy.world.openDescriptors.count > before.count)
            #expect(proxy[.pipesInUse] == 0)
            proxy.advance(by: WorkerSettings.idlePipeTimeout * 2)
            #expect(proxy.world.openDescriptors == before)
            #expect(proxy[0].nextDeadline == nil)
        }
    }
}

extension BytePattern {
    static func firstDifference(in bytes: [UInt8], from offset: Int = 0) -> Int? {
        bytes.withUnsafeBytes { firstDifference(in: $0, from: offset) }
    }
}
