import Glibc
import Sockets
import Support
import Testing

@Suite("Transfers", .ownThreads)
struct TransferTests {
    @Test("Bytes arrive, and an empty socket would block")
    func bytes() throws {
        let ends = try Ends()
        #expect(try ends.receiveNow(.server).outcome == .wouldBlock)
        #expect(try ends.send("hello", from: .client) == .moved(5))
        #expect(try ends.receive(.server).bytes == Array("hello".utf8))
        #expect(try ends.receiveNow(.server).outcome == .wouldBlock)
    }

    @Test("A FIN follows the last byte, and the other direction continues")
    func halfClose() throws {
        let ends = try Ends()
        #expect(try ends.send("last", from: .client) == .moved(4))
        #expect(try ends.with(.client) { $0.endSending(on: $1) } == nil)
        #expect(try ends.receive(.server).bytes == Array("last".utf8))
        #expect(try ends.receive(.server).outcome == .ended)
        #expect(try ends.receive(.server).outcome == .ended)
        #expect(try ends.send("answer", from: .server) == .moved(6))
        #expect(try ends.receive(.client).bytes == Array("answer".utf8))
        #expect(try ends.send("more", from: .client) == .failed(SystemError(code: EPIPE)))
    }

    @Test("A close is received as an end after the queued bytes")
    func close() throws {
        let (ends, sent) = try filled()
        ends.system.close(try ends.take(.client))
        var received = 0
        while case let (.moved(count), _) = try ends.receive(.server) { received += count }
        #expect(received == sent)
        #expect(try ends.receive(.server).outcome == .ended)
    }

    @Test("An abort is received as a reset, and discards queued bytes")
    func abort() throws {
        let (ends, sent) = try filled()
        ends.system.abort(try ends.take(.client))
        var (received, last) = (0, Outcome.wouldBlock)
        repeat {
            let (outcome, bytes) = try ends.receive(.server)
            received += bytes.count
            last = outcome
        } while last.hasMoved
        #expect(last == .failed(.connectionReset))
        #expect(received < sent)
        // The error is returned once; then the connection is at its end.
        #expect(try ends.receiveNow(.server).outcome == .ended)
        #expect(try ends.send("x", from: .server) == .failed(SystemError(code: EPIPE)))
    }

    /// Returns the ends of a connection whose buffers are full, and the number of bytes in them.
    private func filled() throws -> (Ends, sent: Int) {
        let ends = try Ends()
        return (ends, try fill(ends))
    }

    /// Sends from the client until no more bytes are accepted; returns how many were.
    private func fill(_ ends: Ends) throws -> Int {
        let text = String(repeating: "x", count: 65_536)
        var sent = 0
        while sent < 1 << 30 {
            switch try ends.send(text, from: .client) {
            case .moved(let count): sent += count
            case .wouldBlock: return sent
            case let other: throw Unexpected("\(other)", at: #_sourceLocation)
            }
        }
        throw Unexpected("a send queue that does not fill", at: #_sourceLocation)
    }

    @Test("A full send queue would block, and its bytes count until acknowledged")
    func backpressure() throws {
        let ends = try Ends()
        let sent = try fill(ends)
        #expect(sent > 0)
        #expect(try ends.with(.client) { $0.unacknowledged(on: $1) } > 0)
        var received = 0
        while received < sent { received += try ends.receive(.server).bytes.count }
        #expect(received == sent)
        #expect(try soon("acknowledgement") { try ends.with(.client) { $0.unacknowledged(on: $1) } == 0 ? true : nil })
        #expect(try ends.send("more", from: .client) == .moved(4))
    }

    @Test("An urgent byte stays in order")
    func urgent() throws {
        let ends = try Ends()
        let number = try ends.number(.client)
        #expect(send(number, "ab", 2, 0) == 2)
        #expect(send(number, "!", 1, Int32(MSG_OOB)) == 1)
        #expect(send(number, "cd", 2, 0) == 2)
        var received: [UInt8] = []
        while received.count < 5 { received += try ends.receive(.server).bytes }
        #expect(received == Array("ab!cd".utf8))
    }

    @Test("A refused connection is an error that is returned once")
    func refused() throws {
        let ends = try Ends()
        try ends.stopListening()
        let error: SystemError?
        do throws(SystemError) {
            let client = try ends.system.connect(to: RawAddress(ends.address), from: nil, options: .init())
            let token = Token(slot: 5, generation: 1, kind: 2)
            #expect(ends.system.register(client, for: .connection, token: token) == nil)
            let number = client.release()
            try? #require(ends.system.wait(until: ends.system.now() + patience) > 0)
            let client2 = Descriptor(adopting: number)
            #expect(ends.system.event(0).token == token)
            error = ends.system.takeError(of: client2)
            #expect(ends.system.takeError(of: client2) == nil)
            ends.system.close(client2)
        } catch let refusal {
            // On loopback ECONNREFUSED may be returned by connect itself.
            error = refusal
        }
        #expect(error == .connectionRefused)
    }

    @Test("A client uses its configured source address")
    func source() throws {
        let source = SocketAddress.internet(InternetAddress(v4: 0x7f00_0003, port: 0))
        let ends = try Ends(from: source)
        #expect(ends.peer.map { "\($0)".hasPrefix("127.0.0.3:") } == true)
        // A source address of another family cannot be used, and is ignored.
        let other = try Ends(from: .internet(InternetAddress(high: 0, low: 1, port: 0)))
        #expect(other.peer.map { "\($0)".hasPrefix("127.0.0.1:") } == true)
    }

    @Test("A non-local source address is rejected")
    func foreignSource() throws {
        let source = SocketAddress.internet(InternetAddress(v4: 0xC000_0201, port: 0))
        let error = #expect(throws: SystemError.self) { try Ends(from: source) }
        #expect(error == SystemError(code: EADDRNOTAVAIL))
    }

    @Test("A pipe moves bytes from one socket to another")
    func splice() throws {
        let ends = try Ends()
        let pipe = try ends.system.pipe(capacity: 1 << 18)
        let capacity = pipe.capacity
        // Passed by number, so that a failed expectation does not lose a descriptor.
        let input = pipe.input.release()
        let output = pipe.output.release()
        defer {
            Glibc.close(input)
            Glibc.close(output)
        }
        #expect(capacity >= 4096)

        func splice(_ from: Int32, _ to: Int32, _ count: Int) -> Outcome {
            let source = Descriptor(adopting: from)
            let sink = Descriptor(adopting: to)
            let outcome = Outcome(ends.system.splice(from: source, to: sink, atMost: count))
            _ = source.release()
            _ = sink.release()
            return outcome
        }
        func spliceSoon(_ from: Int32, _ to: Int32, _ count: Int) throws -> Outcome {
            try soon("bytes") {
                let outcome = splice(from, to, count)
                return outcome == .wouldBlock ? nil : outcome
            }
        }
        let server = try ends.number(.server)
        #expect(splice(server, input, capacity) == .wouldBlock)
        #expect(try ends.send("through", from: .client) == .moved(7))
        #expect(try spliceSoon(server, input, capacity) == .moved(7))
        #expect(splice(output, server, 3) == .moved(3))
        #expect(splice(output, server, 100) == .moved(4))
        #expect(splice(output, server, 100) == .wouldBlock)
        var received: [UInt8] = []
        while received.count < 7 { received += try ends.receive(.client).bytes }
        #expect(received == Array("through".utf8))
        #expect(try ends.with(.client) { $0.endSending(on: $1) } == nil)
        #expect(try spliceSoon(server, input, capacity) == .ended)
    }
}
