import EchoServer
import FakeSystem
import Randomness
import Sockets
import Testing

@Suite("Sink and source")
struct ModeTests {
    @Test("A sink receives everything, sends nothing, and answers a FIN with a FIN")
    func sink() throws {
        let server = try EchoWorkerHarness { $0.mode = .sink }
        let client = server.connect()
        client.send([UInt8](repeating: 1, count: 1_000_000))
        server.run()
        #expect(client.unreceived == 0)
        client.send("more")
        client.finish()
        server.run()
        #expect(client.received.isEmpty)
        #expect(client.process.hasClosed && !client.process.hasReset)
        #expect(server.counters.bytesReceived == 1_000_004)
        #expect(server.counters.ended == 1)
    }

    @Test("A source sends its pattern while the client reads, and discards what it receives")
    func source() throws {
        let server = try EchoWorkerHarness { $0.mode = .source }
        let client = server.arrive()
        client.window = 0
        var random = SplitMix64(seed: 3)
        while client.received.count < 400_000 {
            client.widenWindow(by: Int.random(in: 1...70_000, using: &random))
            client.send("anything")
            server.run()
        }
        #expect(client.unreceived == 0)
        client.finish()
        server.run()
        client.widenWindow(by: 1000)
        server.run()
        #expect(!client.hasReceivedFIN)
        #expect(client.received.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil)
        #expect(server.counters.bytesSent == client.received.count)
        #expect(server.counters.bytesReceived % 8 == 0)

        let waits = server.waits
        server.run(.seconds(100))
        #expect(server.waits - waits == 1)
        client.reset()
        server.run()
        #expect(client.process.hasClosed)
    }

    @Test("Sources take turns")
    func fairSource() throws {
        let server = try EchoWorkerHarness { $0.mode = .source }
        let clients = (0..<4).map { _ in server.arrive() }
        for _ in 0..<10 { server.turn() }
        let counts = clients.map(\.received.count)
        #expect(counts.allSatisfy { $0 > 0 })
        let spread = (counts.max() ?? 0) - (counts.min() ?? 0)
        #expect(spread <= 8 * (256 << 10))
        for client in clients { client.reset() }
        server.run()
    }
}

@Suite("Responses")
struct RespondTests {
    private func server(request: Int, response: Int) throws -> EchoWorkerHarness {
        try EchoWorkerHarness {
            $0.mode = .respond
            $0.requestSize = request
            $0.responseSize = response
        }
    }

    /// Returns whether `bytes` consists of whole responses of `size` bytes.
    private func areResponses(_ bytes: [UInt8], of size: Int) -> Bool {
        bytes.count % size == 0
            && stride(from: 0, to: bytes.count, by: size).allSatisfy { start in
                bytes[start..<start + size].withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil
            }
    }

    @Test("Each request is answered once, after its last byte", arguments: [1, 100, 70_000, 1_000_000])
    func eachRequest(response: Int) throws {
        let server = try server(request: 100, response: response)
        let client = server.connect()
        client.send([UInt8](repeating: 1, count: 99))
        server.run()
        #expect(client.received.isEmpty)
        client.send([1])
        server.run()
        #expect(client.received.count == response)
        client.send([UInt8](repeating: 2, count: 250))
        server.run()
        #expect(client.received.count == 3 * response)
        client.send([UInt8](repeating: 3, count: 50))
        client.finish()
        server.run()
        #expect(client.received.count == 4 * response)
        #expect(areResponses(client.received, of: response))
        #expect(client.process.hasClosed && !client.process.hasReset)
        #expect(server.counters.bytesReceived == 400)
        #expect(server.counters.bytesSent == 4 * response)
        #expect(server.counters.ended == 1)
    }

    @Test("Responses are complete for a slow reader, and an incomplete request gets no response")
    func pieces() throws {
        let server = try server(request: 7, response: 100_003)
        let client = server.connect()
        client.window = 0
        client.send([UInt8](repeating: 0, count: 7 * 5 + 6))
        client.finish()
        var random = SplitMix64(seed: 4)
        while !client.hasReceivedFIN {
            client.widenWindow(by: Int.random(in: 1...30_000, using: &random))
            server.run()
        }
        #expect(client.received.count == 5 * 100_003)
        #expect(areResponses(client.received, of: 100_003))
    }

    @Test("The server does not receive while it sends a response")
    func backPressure() throws {
        let server = try server(request: 1, response: 1000)
        let client = server.connect()
        client.window = 0
        client.widenWindow(by: 500)
        client.send([0])
        server.run()
        client.send([UInt8](repeating: 0, count: 1_000_000))
        server.run()
        #expect(client.unreceived == 1_000_000)
        #expect(client.received.count == 500)
        client.reset()
        server.run()
        #expect(client.process.hasClosed)
        #expect(server.counters.reset == 1)
    }

    @Test("Responses honor chunk size and early close")
    func limits() throws {
        let server = try EchoWorkerHarness {
            $0.mode = .respond
            $0.requestSize = 10
            $0.responseSize = 100
            $0.chunk = 30
            $0.closeAfter = 250
        }
        let client = server.connect()
        client.send([UInt8](repeating: 0, count: 100))
        server.run()
        #expect(client.received.count == 250)
        #expect(client.pieces.prefix(4) == [30, 30, 30, 10])
        #expect(client.hasReceivedFIN)
        client.finish()
        server.run()
        #expect(server.counters.closed == 1)
    }
}

@Suite("Chunks and early close")
struct LimitTests {
    @Test("No send exceeds the chunk size", arguments: [1, 7, 1000, 1 << 20], [EchoServer.Mode.echo, .source])
    func chunk(size: Int, mode: EchoServer.Mode) throws {
        let server = try EchoWorkerHarness {
            $0.chunk = size
            $0.mode = mode
        }
        let client = server.arrive()
        client.window = 0
        client.widenWindow(by: 5000)
        client.send((0..<5000).map { BytePattern.byte(at: $0) })
        server.run()
        #expect(client.received.count == 5000)
        #expect(client.received.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil)
        #expect(client.pieces.allSatisfy { $0 <= size })
        #expect(client.pieces.count == (5000 + size - 1) / size)
        client.reset()
        server.run()
    }

    @Test("A delayed echo is sent in chunks")
    func delayedChunk() throws {
        let server = try EchoWorkerHarness {
            $0.chunk = 3
            $0.delay = .constant(.milliseconds(5))
        }
        let client = server.connect()
        client.send("abcdefgh")
        server.run(.milliseconds(10))
        #expect(client.text == "abcdefgh")
        #expect(client.pieces == [3, 3, 2])
    }

    @Test(
        "An early FIN follows exactly N bytes",
        arguments: [1, 4, 1000, 65_536, 100_000],
        [nil, .zero, .milliseconds(5)] as [Duration?]
    )
    func closeAfter(limit: Int, delay: Duration?) throws {
        let server = try EchoWorkerHarness {
            $0.closeAfter = limit
            $0.delay = delay.map { .constant($0) }
        }
        let client = server.connect()
        let bytes = (0..<200_000).map { BytePattern.byte(at: $0) }
        client.send(bytes)
        server.run(.milliseconds(100))
        #expect(client.received == Array(bytes.prefix(limit)))
        #expect(client.hasReceivedFIN)
        // Data that still arrives is discarded, so that no reset overtakes the FIN.
        #expect(!client.process.hasClosed)
        #expect(client.unreceived == 0)
        client.send("more")
        server.run()
        #expect(client.unreceived == 0)
        client.finish()
        server.run()
        #expect(client.process.hasClosed)
        #expect(server.counters.closed == 1)
        #expect(server.counters.ended == 0)
    }

    @Test("A client that does not close after the early FIN is closed after a timeout")
    func linger() throws {
        let server = try EchoWorkerHarness { $0.closeAfter = 1 }
        let client = server.connect()
        client.send("x")
        server.run(.milliseconds(4999))
        #expect(!client.process.hasClosed)
        server.run(.milliseconds(2))
        #expect(client.process.hasClosed)
        #expect(server.counters.closed == 1)
    }

    @Test("A client may reset after the early FIN", arguments: [EchoServer.Mode.echo, .source])
    func resetAfterEnd(mode: EchoServer.Mode) throws {
        let server = try EchoWorkerHarness {
            $0.closeAfter = 1
            $0.mode = mode
        }
        let client = server.connect()
        client.send("x")
        server.run()
        #expect(client.hasReceivedFIN)
        client.reset()
        server.run(.seconds(10))
        #expect(client.process.hasClosed)
        #expect(server.counters.closed + server.counters.reset == 1)
    }

    @Test("A sink closes after N received bytes, a source after N sent bytes")
    func otherModes() throws {
        let sink = try EchoWorkerHarness {
            $0.mode = .sink
            $0.closeAfter = 100_000
        }
        let sender = sink.connect()
        sender.send([UInt8](repeating: 0, count: 99_999))
        sink.run()
        #expect(!sender.hasReceivedFIN)
        sender.send([0, 0])
        sink.run()
        #expect(sender.hasReceivedFIN)
        sender.finish()
        sink.run()
        #expect(sender.process.hasClosed)

        let source = try EchoWorkerHarness {
            $0.mode = .source
            $0.closeAfter = 100_000
        }
        let receiver = source.connect()
        #expect(receiver.received.count == 100_000)
        #expect(receiver.received.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil)
        receiver.finish()
        source.run()
        #expect(receiver.process.hasClosed)
    }

    @Test("A FIN before the limit is an ordinary end")
    func endBeforeLimit() throws {
        let server = try EchoWorkerHarness { $0.closeAfter = 100 }
        let client = server.connect(sending: "few") { $0.finish() }
        #expect(client.text == "few")
        #expect(server.counters.ended == 1)
        #expect(server.counters.closed == 0)
    }
}
