import EventLoop
import FakeSystem
import Relay
import Sockets
import Testing

/// A duplex between a client and a server in a fake world, with 8-byte buffers.
private struct DuplexBench: ~Copyable {
    let world = FakeWorld()
    let calls: CallLog
    var system: FakeSystem
    let client: FakePeer
    let server: FakePeer
    var duplex: Duplex
    var buffers = RelayBuffers(size: 8, engine: .copy)
    var clock = TurnClock(Instant(nanoseconds: 0))

    static let clientDescriptor: Int32 = 3
    static let serverDescriptor: Int32 = 4

    init() {
        var system = FakeSystem(in: world, wakerToken: Token(bits: 0))
        duplex = Duplex(client: system.connect(toServer: 1))
        duplex.server = Endpoint(system.connect(toServer: 2), canSend: true)
        client = world.connectedPeer(of: Self.clientDescriptor)
        server = world.connectedPeer(of: Self.serverDescriptor)
        self.system = system
        calls = CallLog(of: world)
    }

    mutating func turn() -> Duplex.Outcome {
        duplex.turn(on: &system, with: &buffers, clock: &clock)
    }

    func peer(_ side: Side) -> FakePeer { side == .client ? client : server }

    mutating func note(_ readiness: Readiness, on side: Side) {
        switch side {
        case .client: duplex.client.note(readiness)
        case .server: duplex.server.note(readiness)
        }
    }

    /// Relays a text to a peer that accepts only some of its bytes.
    mutating func stall(_ text: String, from side: Side, window: Int) {
        peer(side).send(text)
        peer(side == .client ? .server : .client).window = window
        note(.readable, on: side)
        #expect(turn() == .waiting)
    }

    /// Makes a peer reset its connection and the poller report it.
    mutating func reset(_ side: Side) {
        peer(side).reset()
        note([.readable, .writable, .readHangup, .hungUp, .failed], on: side)
        duplex.takeFailure(of: side, on: &system)
        _ = calls.take()
    }
}

private func withDuplex(_ body: (inout DuplexBench) -> Void) {
    var bench = DuplexBench()
    body(&bench)
    bench.duplex.close(on: &bench.system, with: &bench.buffers)
    expectNothingLeft(in: bench.world, bench.buffers)
}

private let client = DuplexBench.clientDescriptor
private let server = DuplexBench.serverDescriptor

@Suite("Duplex")
struct DuplexTests {
    @Test("both directions move in one turn")
    func bothWays() {
        withDuplex { bench in
            bench.client.send("up")
            bench.server.send("down")
            bench.duplex.client.note(.readable)
            bench.duplex.server.note(.readable)
            #expect(bench.turn() == .waiting)
            #expect(
                bench.calls.take() == [
                    .receive(client), .send("up", to: server), .receive(server), .send("down", to: client),
                ]
            )
            #expect(bench.duplex.upstream.transferred == 2)
            #expect(bench.duplex.downstream.transferred == 4)
        }
    }

    @Test("a server's first bytes are forwarded")
    func serverFirst() {
        withDuplex { bench in
            bench.server.send("hello")
            bench.duplex.server.note(.readable)
            #expect(bench.turn() == .waiting)
            #expect(bench.calls.take() == [.receive(server), .send("hello", to: client)])
        }
    }

    @Test("a duplex ends with both directions, and records which side ended first", arguments: [Side.client, .server])
    func halfClose(first: Side) {
        withDuplex { bench in
            let second: Side = first == .client ? .server : .client
            let firstSocket = first == .client ? client : server
            let secondSocket = first == .client ? server : client
            bench.peer(first).finish()
            bench.note(.readHangup, on: first)
            #expect(bench.turn() == .waiting)
            #expect(bench.calls.take() == [.receive(firstSocket), .endSending(secondSocket)])
            #expect(bench.duplex.firstToEnd == first)

            // The other direction continues.
            bench.peer(second).send("late")
            bench.peer(second).finish()
            bench.note([.readable, .readHangup], on: second)
            #expect(bench.turn() == .over)
            #expect(
                bench.calls.take() == [
                    .receive(secondSocket), .send("late", to: firstSocket), .receive(secondSocket),
                ]
            )
            // The close forwards the last end of stream.
            #expect(bench.duplex.firstToEnd == first)
            bench.duplex.close(on: &bench.system, with: &bench.buffers)
            #expect(bench.calls.take() == [.close(client), .close(server)])
        }
    }

    @Test("two ends in one turn end the duplex immediately")
    func bothEnd() {
        withDuplex { bench in
            bench.client.finish()
            bench.server.finish()
            bench.duplex.client.note(.readHangup)
            bench.duplex.server.note(.readHangup)
            #expect(bench.turn() == .over)
        }
    }

    @Test("pending bytes delay a FIN and the end of the duplex")
    func endHeldUp() {
        withDuplex { bench in
            bench.client.send("abc")
            bench.client.finish()
            bench.server.finish()
            bench.server.window = 0
            bench.duplex.client.note([.readable, .readHangup])
            bench.duplex.server.note(.readHangup)
            #expect(bench.turn() == .waiting)
            #expect(bench.duplex.pending == 3)
            bench.server.window = nil
            bench.duplex.server.note(.writable)
            #expect(bench.turn() == .over)
        }
    }

    @Test("a direction that has used its receives reports more to move")
    func moreToMove() {
        withDuplex { bench in
            bench.client.send(String(repeating: "12345678", count: 5))
            bench.duplex.client.note(.readable)
            #expect(bench.turn() == .moreToMove)
            #expect(bench.turn() == .waiting)
            #expect(bench.duplex.upstream.transferred == 40)
        }
    }

    @Test("bytes sent before a reset reach the other side first", arguments: [Side.client, .server])
    func reset(side: Side) {
        withDuplex { bench in
            let failed = side == .client ? client : server
            let other = side == .client ? server : client
            bench.peer(side).send("last")
            bench.reset(side)
            #expect(bench.turn() == .failed(side, delivered: true))
            #expect(
                bench.calls.take() == [.receive(failed), .send("last", to: other), .receive(failed)]
            )
            #expect(bench.duplex.firstToEnd == side)
        }
    }

    @Test("a reset waits for pending bytes that the other side has not accepted")
    func resetWithPending() {
        withDuplex { bench in
            bench.client.send("last")
            bench.server.window = 1
            bench.reset(.client)
            #expect(bench.turn() == .failed(.client, delivered: false))
            #expect(bench.duplex.pending == 3)
            bench.server.window = nil
            bench.duplex.server.note(.writable)
            #expect(bench.turn() == .failed(.client, delivered: true))
            #expect(bench.calls.take().suffix(2) == [.send("ast", to: server), .receive(client)])
        }
    }

    @Test("a reset detected by a send does not end the receiving from that side")
    func resetDetectedBySend() {
        withDuplex { bench in
            bench.client.send("up")
            bench.server.send("last")
            bench.server.reset()
            bench.duplex.client.note(.readable)
            // The poller has not reported it yet.
            #expect(bench.turn() == .failed(.server, delivered: false))
            #expect(bench.duplex.upstream.discarded == 2)
            #expect(bench.calls.take() == [.receive(client), .send("up", to: server)])

            bench.duplex.server.note([.readable, .readHangup, .hungUp])
            #expect(bench.turn() == .failed(.server, delivered: true))
            #expect(
                bench.calls.take() == [
                    .receive(server), .send("last", to: client), .receive(server),
                ]
            )
        }
    }

    @Test("bytes pending for a failed side are discarded and counted")
    func pendingForTheFailed() {
        withDuplex { bench in
            bench.stall("12345678", from: .server, window: 2)
            bench.reset(.client)
            #expect(bench.turn() == .failed(.client, delivered: true))
            #expect(bench.duplex.downstream.discarded == 6)
            #expect(bench.buffers.chunks.taken == 0)
            #expect(bench.duplex.pending == 0)
        }
    }

    @Test("a duplex is over when both sides have failed")
    func bothFail() {
        withDuplex { bench in
            bench.reset(.client)
            bench.reset(.server)
            #expect(bench.turn() == .over)
        }
    }

    @Test("a side that fails after its forwarded FIN is reported as failed")
    func failureAfterEnd() {
        withDuplex { bench in
            bench.client.finish()
            bench.duplex.client.note(.readHangup)
            #expect(bench.turn() == .waiting)
            bench.reset(.client)
            #expect(bench.turn() == .failed(.client, delivered: true))
            #expect(bench.calls.take() == [])
        }
    }

    @Test("a socket's error is read once")
    func takeFailure() {
        withDuplex { bench in
            bench.server.reset()
            bench.duplex.takeFailure(of: .server, on: &bench.system)
            bench.duplex.takeFailure(of: .server, on: &bench.system)
            #expect(bench.duplex.server.failure == .connectionReset)
            #expect(bench.duplex.client.failure == nil)
            #expect(bench.calls.take() == [.takeError(server)])
        }
    }

    @Test("an abort resets both sockets and discards pending bytes")
    func abort() {
        withDuplex { bench in
            bench.stall("abc", from: .client, window: 0)
            _ = bench.calls.take()
            bench.duplex.abort(on: &bench.system, with: &bench.buffers)
            #expect(bench.calls.take() == [.abort(client), .abort(server)])
            #expect(bench.duplex.upstream.discarded == 3)
            #expect(bench.buffers.chunks.taken == 0)
        }
    }

    @Test("a duplex without a server can be aborted")
    func withoutServer() {
        let world = FakeWorld()
        var system = FakeSystem(in: world, wakerToken: Token(bits: 0))
        var buffers = RelayBuffers(size: 8, engine: .copy)
        var duplex = Duplex(client: system.connect(toServer: 1))
        let client = world.connectedPeer(of: client)
        duplex.abort(on: &system, with: &buffers)
        #expect(client.end == .failed(.connectionReset))
        #expect(world.openDescriptors == [])
    }
}
