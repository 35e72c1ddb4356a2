import Relay
import Sockets
import Testing
import EventLoop

/// A half between descriptor 1, the source, and descriptor 2, the sink, on a scripted system, with an 8-byte buffer.
private struct HalfBench: ~Copyable {
    var system = ScriptedSystem()
    var half = RelayDirection()
    var source = Endpoint(Descriptor(adopting: 1), canSend: true)
    var sink = Endpoint(Descriptor(adopting: 2), canSend: true)
    var buffers = RelayBuffers(size: 8, engine: .copy)
    var clock = TurnClock(Instant(nanoseconds: 0))

    mutating func turn() -> Bool {
        half.turn(from: &source, to: &sink, on: &system, with: &buffers, clock: &clock)
    }

    mutating func abandon() {
        half.abandon(on: &system, with: &buffers)
    }

    mutating func cleanUp() {
        abandon()
        if let descriptor = source.descriptor.take() { _ = descriptor.release() }
        if let descriptor = sink.descriptor.take() { _ = descriptor.release() }
    }
}

private func withHalf(_ body: (inout HalfBench) -> Void) {
    var bench = HalfBench()
    body(&bench)
    bench.cleanUp()
    let taken = bench.buffers.chunks.taken
    #expect(taken == 0)
}

@Suite("Relay direction")
struct HalfRelayTests {
    @Test("a source without an event is not read")
    func quiet() {
        withHalf { bench in
            let wantsMore = bench.turn()
            #expect(!wantsMore)
            #expect(bench.system.takeCalls() == [])
        }
    }

    @Test("received bytes are sent immediately, and a short read is not followed by another")
    func shortRead() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc"), .bytes("later")]
            bench.source.note(.readable)
            let wantsMore = bench.turn()
            #expect(!wantsMore)
            #expect(bench.system.takeCalls() == [.receive(1), .send("abc", to: 2)])
            #expect(bench.half.transferred == 3)
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [])
        }
    }

    @Test("a read that filled the buffer is followed by another")
    func fullRead() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("12345678"), .bytes("9")]
            bench.source.note(.readable)
            _ = bench.turn()
            #expect(
                bench.system.takeCalls() == [
                    .receive(1), .send("12345678", to: 2), .receive(1), .send("9", to: 2),
                ]
            )
        }
    }

    @Test("reading stops when no more bytes are available")
    func wouldBlock() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("12345678")]
            bench.source.note(.readable)
            _ = bench.turn()
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.receive(1), .send("12345678", to: 2), .receive(1)])
            let canReceive = bench.source.canReceive
            #expect(!canReceive)
        }
    }

    @Test("a short read with a pending FIN is followed by another, and the FIN is forwarded")
    func announcedEnd() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc"), .end]
            bench.source.note([.readable, .readHangup])
            _ = bench.turn()
            #expect(
                bench.system.takeCalls() == [.receive(1), .send("abc", to: 2), .receive(1), .endSending(2)]
            )
            #expect(bench.half.state.phase == .finished)
        }
    }

    @Test("an unannounced FIN is forwarded")
    func silentEnd() {
        withHalf { bench in
            bench.system.arrivals[1] = [.end]
            bench.source.note(.readable)
            _ = bench.turn()
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.receive(1), .endSending(2)])
        }
    }

    @Test("bytes that the sink does not accept are kept and sent first")
    func shortWrite() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("12345678"), .bytes("9")]
            bench.system.rooms[2] = [.bytes(3)]
            bench.source.note(.readable)
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.receive(1), .send("12345678", to: 2)])
            #expect(bench.half.state.pending == 5)
            #expect(bench.half.transferred == 3)
            #expect(bench.buffers.chunks.taken == 1)

            // The source has more bytes, but they are not received before the sink has buffer space.
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [])

            bench.system.rooms[2] = [.bytes(2)]
            bench.sink.note(.writable)
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.send("45678", to: 2)])

            bench.system.rooms[2] = nil
            bench.sink.note(.writable)
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.send("678", to: 2), .receive(1), .send("9", to: 2)])
            #expect(bench.half.transferred == 9)
            #expect(bench.buffers.chunks.taken == 0)
        }
    }

    @Test("all bytes are kept if the send would block, repeatedly")
    func sendWouldBlock() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc")]
            bench.system.rooms[2] = []
            bench.source.note(.readable)
            _ = bench.turn()
            bench.sink.note(.writable)
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.receive(1), .send("abc", to: 2), .send("abc", to: 2)])
            #expect(bench.half.state.pending == 3)
            #expect(bench.half.transferred == 0)
            let canSend = bench.sink.canSend
            #expect(!canSend)
        }
    }

    @Test("pending bytes are not kept in the shared buffer, which is reused after the turn")
    func pendingIsCopied() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc")]
            bench.system.rooms[2] = []
            bench.source.note(.readable)
            _ = bench.turn()
            bench.buffers.shared.initializeMemory(as: UInt8.self, repeating: 0)
            bench.system.rooms[2] = nil
            bench.sink.note(.writable)
            _ = bench.system.takeCalls()
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.send("abc", to: 2)])
        }
    }

    @Test("the FIN follows the last pending byte")
    func endAfterPending() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc"), .end]
            bench.system.rooms[2] = [.bytes(1)]
            bench.source.note([.readable, .readHangup])
            _ = bench.turn()
            bench.system.rooms[2] = [.bytes(1)]
            bench.sink.note(.writable)
            _ = bench.turn()
            #expect(
                bench.system.takeCalls() == [.receive(1), .send("abc", to: 2), .send("bc", to: 2)]
            )
            bench.system.rooms[2] = nil
            bench.sink.note(.writable)
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.send("c", to: 2), .receive(1), .endSending(2)])
        }
    }

    @Test("a failed source has not sent a FIN")
    func sourceFailure() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc"), .failure(.connectionReset)]
            bench.source.note([.readable, .hungUp, .failed])
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.receive(1), .send("abc", to: 2), .receive(1)])
            #expect(bench.half.state.phase == .broken)
            #expect(bench.source.failure == .connectionReset)
        }
    }

    @Test("an end of stream after an error reported elsewhere is not a FIN")
    func endAfterFailure() {
        withHalf { bench in
            bench.source.failure = .connectionReset
            bench.system.arrivals[1] = [.bytes("abc"), .end]
            bench.source.note([.readable, .hungUp, .failed])
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.receive(1), .send("abc", to: 2), .receive(1)])
            #expect(bench.half.state.phase == .broken)
        }
    }

    @Test("bytes just received for a failed sink are discarded and counted")
    func sinkFailure() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc")]
            bench.system.rooms[2] = [.failure(SystemError(code: 32))]
            bench.source.note(.readable)
            _ = bench.turn()
            #expect(bench.half.state.phase == .abandoned)
            #expect(bench.half.discarded == 3)
            #expect(bench.half.transferred == 0)
            #expect(bench.sink.failure == SystemError(code: 32))
            #expect(bench.buffers.chunks.taken == 0)
            bench.source.note(.readable)
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.receive(1), .send("abc", to: 2)])
        }
    }

    @Test("bytes pending for a failed sink are discarded")
    func sinkFailureWhilePending() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("12345678")]
            bench.system.rooms[2] = [.bytes(3), .failure(.connectionReset)]
            bench.source.note(.readable)
            _ = bench.turn()
            bench.sink.note(.writable)
            _ = bench.turn()
            #expect(bench.half.discarded == 5)
            #expect(bench.half.transferred == 3)
            #expect(bench.buffers.chunks.taken == 0)
        }
    }

    @Test("an abandoned direction releases its chunk and counts its bytes once")
    func abandon() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc")]
            bench.system.rooms[2] = []
            bench.source.note(.readable)
            _ = bench.turn()
            bench.abandon()
            bench.abandon()
            #expect(bench.half.discarded == 3)
            #expect(bench.buffers.chunks.taken == 0)
        }
    }

    @Test("a direction yields after a limited number of receives")
    func receivesPerTurn() {
        withHalf { bench in
            let limit = RelayDirection.copiesPerTurn
            bench.system.arrivals[1] = Array(repeating: .bytes("12345678"), count: limit + 1)
            bench.source.note(.readable)
            let wantsMore = bench.turn()
            #expect(wantsMore)
            let calls = bench.system.takeCalls()
            #expect(calls.filter { $0 == .receive(1) }.count == limit)
            #expect(bench.half.state.pending == 0)

            let wantsEvenMore = bench.turn()
            #expect(!wantsEvenMore)
            #expect(bench.half.transferred == UInt64(8 * (limit + 1)))
        }
    }
}
