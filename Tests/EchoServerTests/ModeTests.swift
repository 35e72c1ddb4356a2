import EchoServer
import Randomness
import Sockets
import Testing

@Suite("Sink and source")
struct ModeTests {
    @Test("A sink receives everything, sends nothing, and answers a FIN with a FIN")
    func sink() throws {
        let server = try FakeServer { $0.mode = .sink }
        let client = server.connect()
        client.send([UInt8](repeating: 1, count: 1_000_000))
        server.run()
        #expect(client.outgoing.isEmpty)
        client.send("more")
        client.finish()
        server.run()
        #expect(client.incoming.isEmpty)
        #expect(client.isClosed && !client.isAborted)
        #expect(server.counters.bytesReceived == 1_000_004)
        #expect(server.counters.ended == 1)
    }

    @Test("A source sends its pattern while the client reads, and discards what it receives")
    func source() throws {
        let server = try FakeServer { $0.mode = .source }
        let client = server.network.connect()
        client.shutWindow()
        var random = SplitMix64(seed: 3)
        while client.incoming.count < 400_000 {
            client.open(window: Int.random(in: 1...70_000, using: &random))
            client.send("anything")
            server.run()
        }
        #expect(client.outgoing.isEmpty)
        client.finish()
        server.run()
        client.open(window: 1000)
        server.run()
        #expect(!client.serverHasFinished)
        #expect(client.incoming.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil)
        #expect(server.counters.bytesSent == client.incoming.count)
        #expect(server.counters.bytesReceived % 8 == 0)

        let waits = server.network.waits
        server.run(.seconds(100))
        #expect(server.network.waits - waits == 1)
        client.reset()
        server.run()
        #expect(client.isClosed)
    }

    @Test("Sources take turns")
    func fairSource() throws {
        let server = try FakeServer { $0.mode = .source }
        let clients = (0..<4).map { _ in server.network.connect() }
        for _ in 0..<50 { server.turn() }
        let counts = clients.map(\.incoming.count)
        #expect(counts.allSatisfy { $0 > 0 })
        let spread = (counts.max() ?? 0) - (counts.min() ?? 0)
        #expect(spread <= 8 * (256 << 10))
        for client in clients { client.reset() }
        server.run()
    }
}

@Suite("Responses")
struct RespondTests {
    private func server(request: Int, response: Int) throws -> FakeServer {
        try FakeServer {
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
        #expect(client.incoming.isEmpty)
        client.send([1])
        server.run()
        #expect(client.incoming.count == response)
        client.send([UInt8](repeating: 2, count: 250))
        server.run()
        #expect(client.incoming.count == 3 * response)
        client.send([UInt8](repeating: 3, count: 50))
        client.finish()
        server.run()
        #expect(client.incoming.count == 4 * response)
        #expect(areResponses(client.incoming, of: response))
        #expect(client.isClosed && !client.isAborted)
        #expect(server.counters.bytesReceived == 400)
        #expect(server.counters.bytesSent == 4 * response)
        #expect(server.counters.ended == 1)
    }

    @Test("Responses are complete for a slow reader, and an incomplete request gets no response")
    func pieces() throws {
        let server = try server(request: 7, response: 100_003)
        let client = server.connect()
        client.shutWindow()
        client.send([UInt8](repeating: 0, count: 7 * 5 + 6))
        client.finish()
        var random = SplitMix64(seed: 4)
        while !client.serverHasFinished {
            client.open(window: Int.random(in: 1...30_000, using: &random))
            server.run()
        }
        #expect(client.incoming.count == 5 * 100_003)
        #expect(areResponses(client.incoming, of: 100_003))
    }

    @Test("The server does not receive while it sends a response")
    func backPressure() throws {
        let server = try server(request: 1, response: 1000)
        let client = server.connect()
        client.shutWindow()
        client.open(window: 500)
        client.send([0])
        server.run()
        client.send([UInt8](repeating: 0, count: 1_000_000))
        server.run()
        #expect(client.outgoing.count == 1_000_000)
        #expect(client.incoming.count == 500)
        client.reset()
        server.run()
        #expect(client.isClosed)
        #expect(server.counters.reset == 1)
    }

    @Test("Responses honor chunk size and early close")
    func limits() throws {
        let server = try FakeServer {
            $0.mode = .respond
            $0.requestSize = 10
            $0.responseSize = 100
            $0.chunk = 30
            $0.closeAfter = 250
        }
        let client = server.connect()
        client.send([UInt8](repeating: 0, count: 100))
        server.run()
        #expect(client.incoming.count == 250)
        #expect(client.pieces.prefix(4) == [30, 30, 30, 10])
        #expect(client.serverHasFinished)
        client.finish()
        server.run()
        #expect(server.counters.closed == 1)
    }
}

@Suite("Chunks and early close")
struct LimitTests {
    @Test("No send exceeds the chunk size", arguments: [1, 7, 1000, 1 << 20], [EchoServer.Mode.echo, .source])
    func chunk(size: Int, mode: EchoServer.Mode) throws {
        let server = try FakeServer {
            $0.chunk = size
            $0.mode = mode
        }
        let client = server.network.connect()
        client.shutWindow()
        client.open(window: 5000)
        client.send((0..<5000).map { BytePattern.byte(at: $0) })
        server.run()
        #expect(client.incoming.count == 5000)
        #expect(client.incoming.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil)
        #expect(client.pieces.allSatisfy { $0 <= size })
        #expect(client.pieces.count == (5000 + size - 1) / size)
        client.reset()
        server.run()
    }

    @Test("A delayed echo is sent in chunks")
    func delayedChunk() throws {
        let server = try FakeServer {
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
        let server = try FakeServer {
            $0.closeAfter = limit
            $0.delay = delay.map { .constant($0) }
        }
        let client = server.connect()
        let bytes = (0..<200_000).map { BytePattern.byte(at: $0) }
        client.send(bytes)
        server.run(.milliseconds(100))
        #expect(client.incoming == Array(bytes.prefix(limit)))
        #expect(client.serverHasFinished)
        // Data that still arrives is discarded, so that no reset overtakes the FIN.
        #expect(!client.isClosed)
        #expect(client.outgoing.isEmpty)
        client.send("more")
        server.run()
        #expect(client.outgoing.isEmpty)
        client.finish()
        server.run()
        #expect(client.isClosed)
        #expect(server.counters.closed == 1)
        #expect(server.counters.ended == 0)
    }

    @Test("A client that does not close after the early FIN is closed after a timeout")
    func linger() throws {
        let server = try FakeServer { $0.closeAfter = 1 }
        let client = server.connect()
        client.send("x")
        server.run(.milliseconds(4999))
        #expect(!client.isClosed)
        server.run(.milliseconds(2))
        #expect(client.isClosed)
        #expect(server.counters.closed == 1)
    }

    @Test("A client may reset after the early FIN", arguments: [EchoServer.Mode.echo, .source])
    func resetAfterEnd(mode: EchoServer.Mode) throws {
        let server = try FakeServer {
            $0.closeAfter = 1
            $0.mode = mode
        }
        let client = server.connect()
        client.send("x")
        server.run()
        #expect(client.serverHasFinished)
        client.reset()
        server.run(.seconds(10))
        #expect(client.isClosed)
        #expect(server.counters.closed + server.counters.reset == 1)
    }

    @Test("A sink closes after N received bytes, a source after N sent bytes")
    func otherModes() throws {
        let sink = try FakeServer {
            $0.mode = .sink
            $0.closeAfter = 100_000
        }
        let sender = sink.connect()
        sender.send([UInt8](repeating: 0, count: 99_999))
        sink.run()
        #expect(!sender.serverHasFinished)
        sender.send([0, 0])
        sink.run()
        #expect(sender.serverHasFinished)
        sender.finish()
        sink.run()
        #expect(sender.isClosed)

        let source = try FakeServer {
            $0.mode = .source
            $0.closeAfter = 100_000
        }
        let receiver = source.connect()
        #expect(receiver.incoming.count == 100_000)
        #expect(receiver.incoming.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil)
        receiver.finish()
        source.run()
        #expect(receiver.isClosed)
    }

    @Test("A FIN before the limit is an ordinary end")
    func endBeforeLimit() throws {
        let server = try FakeServer { $0.closeAfter = 100 }
        let client = server.connect()
        client.send("few")
        client.finish()
        server.run()
        #expect(client.text == "few")
        #expect(server.counters.ended == 1)
        #expect(server.counters.closed == 0)
    }
}
