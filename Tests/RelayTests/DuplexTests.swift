import Relay
import Sockets
import Testing
import EventLoop

/// A connection between descriptor 1, the client, and descriptor 2, the server, on a scripted system.
private struct DuplexBench: ~Copyable {
    var system = ScriptedSystem()
    var duplex: Duplex
    var buffers = RelayBuffers(size: 8, engine: .copy)
    var clock = TurnClock(Instant(nanoseconds: 0))

    init() {
        duplex = Duplex(client: Descriptor(adopting: 1))
        duplex.server = Endpoint(Descriptor(adopting: 2), canSend: true)
    }

    mutating func turn() -> Duplex.Outcome {
        duplex.turn(on: &system, with: &buffers, clock: &clock)
    }

    /// Makes the client reset the connection and the poller report it.
    mutating func reset(_ party: Side) {
        let report: Readiness = [.readable, .writable, .readHangup, .hungUp, .failed]
        switch party {
        case .client:
            system.errors[1] = .connectionReset
            system.arrivals[1, default: []].append(.end)
            duplex.client.note(report)
        case .server:
            system.errors[2] = .connectionReset
            system.arrivals[2, default: []].append(.end)
            duplex.server.note(report)
        }
        duplex.takeFailure(of: party, on: &system)
        _ = system.takeCalls()
    }
}

private func withDuplex(_ body: (inout DuplexBench) -> Void) {
    var bench = DuplexBench()
    body(&bench)
    bench.duplex.close(on: &bench.system, with: &bench.buffers)
    let taken = bench.buffers.chunks.taken
    #expect(taken == 0)
}

@Suite("Duplex")
struct DuplexTests {
    @Test("both directions move in one turn")
    func bothWays() {
        withDuplex { bench in
            bench.system.arrivals = [1: [.bytes("up")], 2: [.bytes("down")]]
            bench.duplex.client.note(.readable)
            bench.duplex.server.note(.readable)
            #expect(bench.turn() == .waiting)
            #expect(
                bench.system.takeCalls() == [.receive(1), .send("up", to: 2), .receive(2), .send("down", to: 1)]
            )
            #expect(bench.duplex.upstream.transferred == 2)
            #expect(bench.duplex.downstream.transferred == 4)
        }
    }

    @Test("a server's first bytes are forwarded")
    func serverFirst() {
        withDuplex { bench in
            bench.system.arrivals[2] = [.bytes("hello")]
            bench.duplex.server.note(.readable)
            #expect(bench.turn() == .waiting)
            #expect(bench.system.takeCalls() == [.receive(2), .send("hello", to: 1)])
        }
    }

    @Test("a duplex ends with both directions, and records which side ended first", arguments: [Side.client, .server])
    func halfClose(first: Side) {
        withDuplex { bench in
            let (firstNumber, secondNumber): (Int32, Int32) = first == .client ? (1, 2) : (2, 1)
            bench.system.arrivals[firstNumber] = [.end]
            if first == .client { bench.duplex.client.note(.readHangup) } else { bench.duplex.server.note(.readHangup) }
            #expect(bench.turn() == .waiting)
            #expect(bench.system.takeCalls() == [.receive(firstNumber), .endSending(secondNumber)])
            #expect(bench.duplex.firstToEnd == first)

            // The other direction continues.
            bench.system.arrivals[secondNumber] = [.bytes("late"), .end]
            let report: Readiness = [.readable, .readHangup]
            if first == .client { bench.duplex.server.note(report) } else { bench.duplex.client.note(report) }
            #expect(bench.turn() == .over)
            #expect(
                bench.system.takeCalls() == [
                    .receive(secondNumber), .send("late", to: firstNumber), .receive(secondNumber),
                ]
            )
            // The close forwards the last end of stream.
            #expect(bench.duplex.firstToEnd == first)
            bench.duplex.close(on: &bench.system, with: &bench.buffers)
            #expect(bench.system.takeCalls() == [.close(1), .close(2)])
        }
    }

    @Test("two ends in one turn end the duplex immediately")
    func bothEnd() {
        withDuplex { bench in
            bench.system.arrivals = [1: [.end], 2: [.end]]
            bench.duplex.client.note(.readHangup)
            bench.duplex.server.note(.readHangup)
            #expect(bench.turn() == .over)
        }
    }

    @Test("pending bytes delay a FIN and the end of the duplex")
    func endHeldUp() {
        withDuplex { bench in
            bench.system.arrivals = [1: [.bytes("abc"), .end], 2: [.end]]
            bench.system.rooms[2] = []
            bench.duplex.client.note([.readable, .readHangup])
            bench.duplex.server.note(.readHangup)
            #expect(bench.turn() == .waiting)
            #expect(bench.duplex.pending == 3)
            bench.system.rooms[2] = nil
            bench.duplex.server.note(.writable)
            #expect(bench.turn() == .over)
        }
    }

    @Test("a direction that has used its receives reports more to move")
    func moreToMove() {
        withDuplex { bench in
            bench.system.arrivals[1] = Array(repeating: .bytes("12345678"), count: 5)
            bench.duplex.client.note(.readable)
            #expect(bench.turn() == .moreToMove)
            #expect(bench.turn() == .waiting)
            #expect(bench.duplex.upstream.transferred == 40)
        }
    }

    @Test("bytes sent before a reset reach the other side first", arguments: [Side.client, .server])
    func reset(party: Side) {
        withDuplex { bench in
            let (failed, left): (Int32, Int32) = party == .client ? (1, 2) : (2, 1)
            bench.system.arrivals[failed] = [.bytes("last")]
            bench.reset(party)
            #expect(bench.turn() == .failed(party, delivered: true))
            #expect(
                bench.system.takeCalls() == [.receive(failed), .send("last", to: left), .receive(failed)]
            )
            #expect(bench.duplex.firstToEnd == party)
        }
    }

    @Test("a reset waits for pending bytes that the other side has not accepted")
    func resetWithPending() {
        withDuplex { bench in
            bench.system.arrivals[1] = [.bytes("last")]
            bench.system.rooms[2] = [.bytes(1)]
            bench.reset(.client)
            #expect(bench.turn() == .failed(.client, delivered: false))
            #expect(bench.duplex.pending == 3)
            bench.system.rooms[2] = nil
            bench.duplex.server.note(.writable)
            #expect(bench.turn() == .failed(.client, delivered: true))
            #expect(bench.system.takeCalls().suffix(2) == [.send("ast", to: 2), .receive(1)])
        }
    }

    @Test("a reset detected by a send does not end the receiving from that side")
    func resetToldToSend() {
        withDuplex { bench in
            bench.system.arrivals = [1: [.bytes("up")], 2: [.bytes("last"), .end]]
            bench.system.rooms[2] = [.failure(.connectionReset)]
            bench.duplex.client.note(.readable)
            // The poller has not reported it yet.
            #expect(bench.turn() == .failed(.server, delivered: false))
            #expect(bench.duplex.upstream.discarded == 2)
            #expect(bench.system.takeCalls() == [.receive(1), .send("up", to: 2)])

            bench.duplex.server.note([.readable, .readHangup, .hungUp])
            #expect(bench.turn() == .failed(.server, delivered: true))
            #expect(bench.system.takeCalls() == [.receive(2), .send("last", to: 1), .receive(2)])
        }
    }

    @Test("bytes pending for a failed side are discarded and counted")
    func pendingForTheFailed() {
        withDuplex { bench in
            bench.system.arrivals[2] = [.bytes("12345678")]
            bench.system.rooms[1] = [.bytes(2)]
            bench.duplex.server.note(.readable)
            #expect(bench.turn() == .waiting)
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
            bench.system.arrivals[1] = [.end]
            bench.duplex.client.note(.readHangup)
            #expect(bench.turn() == .waiting)
            bench.reset(.client)
            #expect(bench.turn() == .failed(.client, delivered: true))
            #expect(bench.system.takeCalls() == [])
        }
    }

    @Test("a socket's error is read once")
    func takeFailure() {
        withDuplex { bench in
            bench.system.errors[2] = .connectionReset
            bench.duplex.takeFailure(of: .server, on: &bench.system)
            bench.duplex.takeFailure(of: .server, on: &bench.system)
            #expect(bench.duplex.server.failure == .connectionReset)
            #expect(bench.duplex.client.failure == nil)
            #expect(bench.system.takeCalls() == [.takeError(2)])
        }
    }

    @Test("an abort resets both sockets and discards pending bytes")
    func abort() {
        withDuplex { bench in
            bench.system.arrivals[1] = [.bytes("abc")]
            bench.system.rooms[2] = []
            bench.duplex.client.note(.readable)
            #expect(bench.turn() == .waiting)
            _ = bench.system.takeCalls()
            bench.duplex.abort(on: &bench.system, with: &bench.buffers)
            #expect(bench.system.takeCalls() == [.abort(1), .abort(2)])
            #expect(bench.duplex.upstream.discarded == 3)
            #expect(bench.buffers.chunks.taken == 0)
        }
    }

    @Test("a duplex without a server can be aborted")
    func withoutServer() {
        var system = ScriptedSystem()
        var buffers = RelayBuffers(size: 8, engine: .copy)
        var duplex = Duplex(client: Descriptor(adopting: 1))
        duplex.abort(on: &system, with: &buffers)
        #expect(system.takeCalls() == [.abort(1)])
    }
}
