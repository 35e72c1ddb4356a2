import EventLoop
import FakeSystem
import Glibc
import Relay
import Sockets
import Testing

/// A direction from a source to a sink in a fake world, with an 8-byte buffer.
private struct DirectionBench: ~Copyable {
    let world = FakeWorld()
    let calls: CallLog
    var system: FakeSystem
    /// The peers that send to the source and receive from the sink.
    let sender: FakePeer
    let receiver: FakePeer
    var direction = RelayDirection()
    var source: Endpoint
    var sink: Endpoint
    var buffers = RelayBuffers(size: 8, engine: .copy)
    var clock = TurnClock(Instant(nanoseconds: 0))

    static let sourceDescriptor: Int32 = 3
    static let sinkDescriptor: Int32 = 4

    init() {
        var system = FakeSystem(in: world, wakerToken: Token(bits: 0))
        source = Endpoint(system.connect(toServer: 1), canSend: true)
        sink = Endpoint(system.connect(toServer: 2), canSend: true)
        sender = world.connectedPeer(of: Self.sourceDescriptor)
        receiver = world.connectedPeer(of: Self.sinkDescriptor)
        self.system = system
        calls = CallLog(of: world)
    }

    mutating func turn() -> Bool {
        direction.turn(from: &source, to: &sink, on: &system, with: &buffers, clock: &clock)
    }

    /// Sends a text to the source, which the poller reports, and runs one turn.
    ///
    /// - Parameter window: number of bytes that the receiver accepts; all by default.
    @discardableResult
    mutating func relay(_ text: String, window: Int? = nil) -> Bool {
        sender.send(text)
        receiver.window = window
        source.note(.readable)
        return turn()
    }

    /// Lets the receiver accept more bytes, which the poller reports, and runs one turn.
    mutating func widen(to window: Int? = nil) {
        receiver.window = window
        sink.note(.writable)
        _ = turn()
    }

    mutating func abandon() {
        direction.abandon(on: &system, with: &buffers)
    }

    mutating func cleanUp() {
        abandon()
        if let descriptor = source.descriptor.take() { system.close(descriptor) }
        if let descriptor = sink.descriptor.take() { system.close(descriptor) }
    }
}

private func withDirection(_ body: (inout DirectionBench) -> Void) {
    var bench = DirectionBench()
    body(&bench)
    bench.cleanUp()
    expectNothingLeft(in: bench.world, bench.buffers)
}

private let source = DirectionBench.sourceDescriptor
private let sink = DirectionBench.sinkDescriptor

@Suite("Relay direction")
struct RelayDirectionTests {
    @Test("a source without an event is not read")
    func quiet() {
        withDirection { bench in
            let wantsMore = bench.turn()
            #expect(!wantsMore)
            #expect(bench.calls.take() == [])
        }
    }

    @Test("received bytes are sent immediately, and a short read is not followed by another")
    func shortRead() {
        withDirection { bench in
            let wantsMore = bench.relay("abc")
            #expect(!wantsMore)
            #expect(bench.calls.take() == [.receive(source), .send("abc", to: sink)])
            #expect(bench.direction.transferred == 3)
            bench.sender.send("later")
            _ = bench.turn()
            #expect(bench.calls.take() == [])
        }
    }

    @Test("a read that filled the buffer is followed by another")
    func fullRead() {
        withDirection { bench in
            bench.relay("123456789")
            #expect(
                bench.calls.take() == [
                    .receive(source), .send("12345678", to: sink), .receive(source), .send("9", to: sink),
                ]
            )
        }
    }

    @Test("reading stops when no more bytes are available")
    func wouldBlock() {
        withDirection { bench in
            bench.relay("12345678")
            _ = bench.turn()
            #expect(bench.calls.take() == [.receive(source), .send("12345678", to: sink), .receive(source)])
            let canReceive = bench.source.canReceive
            #expect(!canReceive)
        }
    }

    @Test("a short read with a pending FIN is followed by another, and the FIN is forwarded")
    func announcedEnd() {
        withDirection { bench in
            bench.sender.send("abc")
            bench.sender.finish()
            bench.source.note([.readable, .readHangup])
            _ = bench.turn()
            #expect(
                bench.calls.take() == [.receive(source), .send("abc", to: sink), .receive(source), .endSending(sink)]
            )
            #expect(bench.direction.state.phase == .finished)
        }
    }

    @Test("an unannounced FIN is forwarded")
    func silentEnd() {
        withDirection { bench in
            bench.sender.finish()
            bench.source.note(.readable)
            _ = bench.turn()
            _ = bench.turn()
            #expect(bench.calls.take() == [.receive(source), .endSending(sink)])
        }
    }

    @Test("bytes that the sink does not accept are kept and sent first")
    func shortWrite() {
        withDirection { bench in
            bench.relay("123456789", window: 3)
            #expect(bench.calls.take() == [.receive(source), .send("12345678", to: sink)])
            #expect(bench.direction.state.pending == 5)
            #expect(bench.direction.transferred == 3)
            #expect(bench.buffers.chunks.taken == 1)

            // The source has more bytes, but they are not received before the sink has buffer space.
            _ = bench.turn()
            #expect(bench.calls.take() == [])

            bench.widen(to: 2)
            #expect(bench.calls.take() == [.send("45678", to: sink)])

            bench.widen()
            #expect(bench.calls.take() == [.send("678", to: sink), .receive(source), .send("9", to: sink)])
            #expect(bench.direction.transferred == 9)
            #expect(bench.buffers.chunks.taken == 0)
        }
    }

    @Test("all bytes are kept if the send would block, repeatedly")
    func sendWouldBlock() {
        withDirection { bench in
            bench.relay("abc", window: 0)
            bench.sink.note(.writable)
            _ = bench.turn()
            #expect(bench.calls.take() == [.receive(source), .send("abc", to: sink), .send("abc", to: sink)])
            #expect(bench.direction.state.pending == 3)
            #expect(bench.direction.transferred == 0)
            let canSend = bench.sink.canSend
            #expect(!canSend)
        }
    }

    @Test("pending bytes are not kept in the shared buffer, which is reused after the turn")
    func pendingIsCopied() {
        withDirection { bench in
            bench.relay("abc", window: 0)
            bench.buffers.shared.initializeMemory(as: UInt8.self, repeating: 0)
            bench.receiver.window = nil
            bench.sink.note(.writable)
            _ = bench.calls.take()
            _ = bench.turn()
            #expect(bench.calls.take() == [.send("abc", to: sink)])
        }
    }

    @Test("the FIN follows the last pending byte")
    func endAfterPending() {
        withDirection { bench in
            bench.sender.send("abc")
            bench.sender.finish()
            bench.receiver.window = 1
            bench.source.note([.readable, .readHangup])
            _ = bench.turn()
            bench.widen(to: 1)
            #expect(
                bench.calls.take() == [.receive(source), .send("abc", to: sink), .send("bc", to: sink)]
            )
            bench.widen()
            #expect(bench.calls.take() == [.send("c", to: sink), .receive(source), .endSending(sink)])
        }
    }

    /// Reports the end and the failure of a source that has sent "abc": these bytes must be sent, but no FIN.
    private func expectBreak(of bench: inout DirectionBench) {
        bench.source.note([.readable, .hungUp, .failed])
        _ = bench.turn()
        #expect(bench.calls.take() == [.receive(source), .send("abc", to: sink), .receive(source)])
        #expect(bench.direction.state.phase == .broken)
    }

    @Test("a failed source has not sent a FIN")
    func sourceFailure() {
        withDirection { bench in
            bench.sender.send("abc")
            bench.sender.reset()
            expectBreak(of: &bench)
            #expect(bench.source.failure == .connectionReset)
        }
    }

    @Test("an end of stream after an error reported elsewhere is not a FIN")
    func endAfterFailure() {
        withDirection { bench in
            bench.source.failure = .connectionReset
            bench.sender.send("abc")
            bench.sender.finish()
            expectBreak(of: &bench)
        }
    }

    @Test("bytes just received for a failed sink are discarded and counted")
    func sinkFailure() {
        withDirection { bench in
            bench.world.faults.fail(.send, with: SystemError(code: EPIPE))
            bench.relay("abc")
            #expect(bench.direction.state.phase == .abandoned)
            #expect(bench.direction.discarded == 3)
            #expect(bench.direction.transferred == 0)
            #expect(bench.sink.failure == SystemError(code: EPIPE))
            #expect(bench.buffers.chunks.taken == 0)
            bench.source.note(.readable)
            _ = bench.turn()
            #expect(bench.calls.take() == [.receive(source), .send("abc", to: sink)])
        }
    }

    @Test("bytes pending for a failed sink are discarded")
    func sinkFailureWhilePending() {
        withDirection { bench in
            bench.relay("12345678", window: 3)
            bench.receiver.reset()
            bench.sink.note(.writable)
            _ = bench.turn()
            #expect(bench.direction.discarded == 5)
            #expect(bench.direction.transferred == 3)
            #expect(bench.buffers.chunks.taken == 0)
        }
    }

    @Test("an abandoned direction releases its chunk and counts its bytes once")
    func abandon() {
        withDirection { bench in
            bench.relay("abc", window: 0)
            bench.abandon()
            bench.abandon()
            #expect(bench.direction.discarded == 3)
            #expect(bench.buffers.chunks.taken == 0)
        }
    }

    @Test("a direction yields after a limited number of receives")
    func receivesPerTurn() {
        withDirection { bench in
            let limit = RelayDirection.copiesPerTurn
            bench.sender.send(String(repeating: "12345678", count: limit + 1))
            bench.source.note(.readable)
            let wantsMore = bench.turn()
            #expect(wantsMore)
            let calls = bench.calls.take()
            #expect(calls.filter { $0 == .receive(source) }.count == limit)
            #expect(bench.direction.state.pending == 0)

            let wantsEvenMore = bench.turn()
            #expect(!wantsEvenMore)
            #expect(bench.direction.transferred == UInt64(8 * (limit + 1)))
        }
    }
}
