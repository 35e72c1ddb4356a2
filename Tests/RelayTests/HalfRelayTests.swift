import Relay
import Sockets
import Testing
import Workers

/// A half between descriptor 1, the source, and descriptor 2, the sink, on a scripted system, with an 8-byte buffer.
private struct HalfBench: ~Copyable {
    var system = ScriptedSystem()
    var half = HalfRelay()
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

@Suite("HalfRelay")
struct HalfRelayTests {
    @Test("asks nothing of a source that has reported nothing")
    func quiet() {
        withHalf { bench in
            let wantsMore = bench.turn()
            #expect(!wantsMore)
            #expect(bench.system.takeCalls() == [])
        }
    }

    @Test("passes straight on what it receives, and does not ask again after a short read")
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

    @Test("asks again after a read that filled the buffer")
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

    @Test("stops where nothing more is there")
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

    @Test("reads on after a short read where an end is announced, and passes it on")
    func announcedEnd() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc"), .end]
            bench.source.note([.readable, .peerEnded])
            _ = bench.turn()
            #expect(
                bench.system.takeCalls() == [.receive(1), .send("abc", to: 2), .receive(1), .endSending(2)]
            )
            #expect(bench.half.state.phase == .finished)
        }
    }

    @Test("passes on an end that was not announced")
    func silentEnd() {
        withHalf { bench in
            bench.system.arrivals[1] = [.end]
            bench.source.note(.readable)
            _ = bench.turn()
            _ = bench.turn()
            #expect(bench.system.takeCalls() == [.receive(1), .endSending(2)])
        }
    }

    @Test("keeps what the sink does not take, and sends it before anything else")
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

    @Test("keeps all of it where the send would block, once and again")
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

    @Test("the shared buffer is another's as soon as the turn is over: what is pending does not live there")
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

    @Test("the end comes after the last pending byte")
    func endAfterPending() {
        withHalf { bench in
            bench.system.arrivals[1] = [.bytes("abc"), .end]
            bench.system.rooms[2] = [.bytes(1)]
            bench.source.note([.readable, .peerEnded])
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

    @Test("a source that fails has sent no end")
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

    @Test("an end behind an error that was told elsewhere is no end")
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

    @Test("a sink that fails costs what was just received, and that is counted")
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

    @Test("a sink that fails later costs what was still pending")
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

    @Test("abandoned, it gives back its chunk and counts what was in it, once")
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

    @Test("lets others have their turn after a few receives")
    func receivesPerTurn() {
        withHalf { bench in
            let limit = HalfRelay.copiesPerTurn
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
