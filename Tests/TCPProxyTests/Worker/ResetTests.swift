import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

/// The two sides of a connection.
private struct Sides {
    let failing: FakePeer
    let left: FakePeer
    let failingSide: CloseInitiator
    let discarded: Counter

    init(_ proxy: FakeProxy, failing side: CloseInitiator) throws {
        let (client, server) = try proxy.connectThrough()
        (failing, left) = side == .client ? (client, server) : (server, client)
        failingSide = side
        discarded = side == .client ? .discardedUpstream : .discardedDownstream
    }

    /// Connects two sides, of which one sends a pattern while the other does not read.
    init(_ proxy: FakeProxy, failing side: CloseInitiator, sending count: Int) throws {
        try self.init(proxy, failing: side)
        left.isReading = false
        failing.sendPattern(count: count)
        proxy.settle()
    }
}

@Suite("Resets")
struct ResetTests {
    @Test(
        "a reset reaches the other side as a reset, after the data before it",
        arguments: [CloseInitiator.client, .server]
    )
    func passedOn(side: CloseInitiator) throws {
        try withProxy { proxy in
            let sides = try Sides(proxy, failing: side)
            sides.left.send("lost")
            sides.failing.isReading = false
            sides.failing.send("last words")
            sides.failing.reset()
            proxy.settle()
            #expect(sides.left.text == "last words")
            #expect(sides.left.end == .failed(.connectionReset))
            #expect(proxy.active == 0)
            #expect(proxy.closures == [.by(side, .reset): 1])
            #expect(proxy[sides.discarded] == 0)
        }
    }

    @Test("a reset reaches a side that has half-closed", arguments: [CloseInitiator.client, .server])
    func afterHalfClose(side: CloseInitiator) throws {
        try withProxy { proxy in
            let sides = try Sides(proxy, failing: side)
            sides.left.finish()
            proxy.settle()
            sides.failing.send("last words")
            sides.failing.reset()
            proxy.settle()
            #expect(sides.left.text == "last words")
            #expect(sides.left.end == .failed(.connectionReset))
        }
    }

    @Test("a reset by a side that has half-closed ends the connection", arguments: [CloseInitiator.client, .server])
    func byTheEnded(side: CloseInitiator) throws {
        try withProxy { proxy in
            let sides = try Sides(proxy, failing: side)
            sides.failing.send("last words")
            sides.failing.finish()
            proxy.settle()
            #expect(sides.left.end == .fin)
            sides.failing.reset()
            proxy.settle()
            #expect(proxy.active == 0)
            #expect(proxy.closures == [.by(side, .reset): 1])
            // It may send any amount now; nothing reads it.
            sides.left.send("answer")
            proxy.settle()
            #expect(sides.left.text == "last words")
        }
    }

    @Test(
        "a reset waits until the other kernel has acknowledged all data, while there is progress",
        arguments: [CloseInitiator.client, .server]
    )
    func waitForDelivery(side: CloseInitiator) throws {
        try withProxy(in: .small()) { proxy in
            let sides = try Sides(proxy, failing: side, sending: 12_000)
            proxy.reset(sides.failing)
            #expect(sides.left.unread == 4096)
            // In total slower than the timeout, but never without progress for that long.
            for step in 1...7 {
                proxy.advance(by: .seconds(4))
                #expect(proxy.active == 1)
                sides.left.read(1000)
                #expect(sides.left.patternReceived == step * 1000)
            }
            proxy.advance(by: .seconds(4))
            #expect(proxy.active == 1)
            // With these its kernel has the last byte, and the reset does not wait for the program to read it.
            sides.left.read(1000)
            proxy.advance(by: WorkerSettings.resetDrainPollInterval.upperBound)
            #expect(proxy.active == 0)
            sides.left.isReading = true
            #expect(sides.left.patternReceived == 12_000)
            #expect(sides.left.end == .failed(.connectionReset))
            #expect(proxy.active == 0)
            #expect(proxy[sides.discarded] == 0)
            #expect(proxy.closures == [.by(side, .reset): 1])
        }
    }

    /// A reader that takes as much at a time as the proxy refills leaves the pending amount unchanged.
    @Test("a reset waits while there is progress, even if the pending amount is constant")
    func waitForEqualSteps() throws {
        let piece = 32 * 1024
        let world = FakeWorld()
        world.sendBuffer = piece
        world.receiveBuffer = 8 * piece
        try withProxy(in: world, configure: { $0.engine = .copy }) { proxy in
            proxy.server.onAttempt = {
                world.receiveBuffer = piece
                return .accept()
            }
            let (client, server) = try proxy.stalledUpload(of: 8 * piece)
            proxy.reset(client)
            for step in 1...8 {
                proxy.advance(by: .seconds(4))
                server.read(piece)
                #expect(server.patternReceived == step * piece)
            }
            proxy.advance(by: WorkerSettings.resetDrainPollInterval.upperBound)
            #expect(proxy.active == 0)
            #expect(proxy[.discardedUpstream] == 0)
        }
    }

    @Test("a reset follows soon after the last byte is acknowledged")
    func promptly() throws {
        try withProxy(in: .small()) { proxy in
            let sides = try Sides(proxy, failing: .client, sending: 6000)
            sides.failing.reset()
            proxy.advance(by: .seconds(3))
            sides.left.isReading = true
            #expect(sides.left.end == nil)
            proxy.advance(by: WorkerSettings.resetDrainPollInterval.upperBound)
            #expect(sides.left.end == .failed(.connectionReset))
        }
    }

    @Test(
        "a reset drain without progress is abandoned, and lost bytes are counted",
        arguments: [CloseInitiator.client, .server]
    )
    func abandonUnanswered(side: CloseInitiator) throws {
        try withProxy(in: .small(), configure: { $0.timeouts.resetDrainTimeout = .seconds(5) }) { proxy in
            let sides = try Sides(proxy, failing: side, sending: 10_000)
            proxy.reset(sides.failing)
            proxy.advance(by: .milliseconds(4_999))
            #expect(proxy.active == 1)
            proxy.advance(by: WorkerSettings.resetDrainPollInterval.upperBound + .milliseconds(1))
            #expect(proxy.active == 0)
            #expect(proxy.closures == [.by(side, .reset): 1])
            #expect(proxy[sides.discarded] == 10_000 - 4096)
            sides.left.isReading = true
            #expect(sides.left.patternReceived == 4096)
            #expect(sides.left.end == .failed(.connectionReset))
        }
    }

    @Test(
        "bytes in a chunk and in the send buffer are both counted as discarded",
        arguments: [CloseInitiator.client, .server]
    )
    func discardedChunk(side: CloseInitiator) throws {
        try withProxy(in: .small(receiveBuffer: 16_384, sendBuffer: 2000)) { proxy in
            let sides = try Sides(proxy, failing: side, sending: 22_000)
            // Of 22,000 bytes the left kernel has 16,384 and the proxy's send buffer 2,000; the rest waits in a chunk.
            #expect(proxy[0].chunksTaken == 1)
            sides.failing.reset()
            proxy.settle()
            proxy.advance(by: .seconds(6))
            #expect(proxy.active == 0)
            #expect(proxy[side == .client ? .bytesUpstream : .bytesDownstream] == 16_384 + 2000)
            #expect(proxy[sides.discarded] == 22_000 - 16_384)
        }
    }

    @Test("an unacknowledged FIN does not count as a lost byte")
    func finIsNoByte() throws {
        try withProxy(in: .small()) { proxy in
            let (client, _) = try proxy.stalledUpload(of: 10_000)
            client.finish()
            proxy.settle()
            client.reset()
            proxy.advance(by: .seconds(6))
            #expect(proxy.active == 0)
            #expect(proxy[.discardedUpstream] == 10_000 - 4096)
        }
    }

    @Test("a reset waits for data in flight through a slow network")
    func latency() throws {
        let world = FakeWorld()
        world.latency = .milliseconds(200)
        try withProxy(in: world) { proxy in
            let client = proxy.connect()
            proxy.advance(by: .seconds(1))
            let server = try #require(proxy.server.connections.first)
            client.send("last words")
            client.reset()
            proxy.advance(by: .milliseconds(399))
            #expect(server.text == "")
            #expect(proxy.active == 1)
            // 200 ms to the proxy, 200 on to the server, 200 for its acknowledgement, and then 200 for the reset.
            proxy.advance(by: .milliseconds(1))
            #expect(server.text == "last words")
            #expect(server.end == nil)
            proxy.advance(by: .milliseconds(400) + WorkerSettings.resetDrainPollInterval.upperBound)
            #expect(server.end == .failed(.connectionReset))
        }
    }

    @Test("resets by both sides end the connection immediately")
    func both() throws {
        try withProxy { proxy in
            let (client, server) = try proxy.connectThrough()
            client.reset()
            server.reset()
            proxy.settle()
            #expect(proxy.active == 0)
            #expect(proxy.closures.keys.map(\.reason) == [.reset])
        }
    }

    @Test("a reset by the second side ends the reset drain")
    func secondWhileDelivering() throws {
        try withProxy(in: .small()) { proxy in
            let (client, server) = try proxy.stalledUpload(of: 10_000)
            proxy.reset(client)
            #expect(proxy.active == 1)
            proxy.reset(server)
            #expect(proxy.active == 0)
            #expect(proxy.closures == [.by(.client, .reset): 1])
        }
    }

    @Test("bytes pending for a side that resets are counted as discarded")
    func lostForTheFailed() throws {
        try withProxy(in: .small(sendBuffer: 4096)) { proxy in
            let sides = try Sides(proxy, failing: .server, sending: 20_000)
            #expect(proxy[0].chunksTaken == 1)
            proxy.reset(sides.left)
            #expect(proxy.active == 0)
            #expect(sides.failing.end == .failed(.connectionReset))
            #expect(proxy[.discardedDownstream] > 0)
        }
    }

    @Test("a server that vanishes during a reset drain costs at most the drain timeout")
    func vanished() throws {
        try withProxy { proxy in
            let (client, server) = try proxy.connectThrough()
            server.vanish()
            client.send("hello?")
            proxy.settle()
            client.reset()
            proxy.advance(by: .seconds(5) + WorkerSettings.resetDrainPollInterval.upperBound)
            #expect(proxy.active == 0)
            #expect(proxy[.discardedUpstream] == 6)
        }
    }
}
