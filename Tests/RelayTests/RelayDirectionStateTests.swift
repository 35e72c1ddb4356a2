import Relay
import Support
import Testing

/// A call of the driver of a direction.
enum DirectionEvent {
    case received(Int)
    case sent(Int)
    case sourceEnded
    case finishSent
    case sourceFailed
    case sinkFailed
}

extension RelayDirectionState {
    /// Creates the state of a direction after these events.
    init(after events: [DirectionEvent]) {
        self.init()
        for event in events {
            switch event {
            case .received(let count): received(count)
            case .sent(let count): sent(count)
            case .sourceEnded: sourceEnded()
            case .finishSent: finishSent()
            case .sourceFailed: sourceFailed()
            case .sinkFailed: _ = sinkFailed()
            }
        }
    }
}

/// One direction as a transcript: the events it receives and the actions it then requests.
@Suite("Relay direction state")
struct RelayDirectionStateTests {
    /// Returns its actions for each of the four states of its endpoints: neither ready, only source, only sink, both.
    private func actions(of half: RelayDirectionState) -> [RelayDirectionState.Action] {
        [(false, false), (true, false), (false, true), (true, true)].map { source, sink in
            half.next(canReceive: source, canSend: sink)
        }
    }

    /// Returns a half after these events.
    private func half(after events: (inout RelayDirectionState) -> Void) -> RelayDirectionState {
        var half = RelayDirectionState()
        events(&half)
        return half
    }

    @Test("a new direction receives if bytes are available and the sink has room")
    func open() {
        #expect(actions(of: RelayDirectionState()) == [.wait, .wait, .wait, .receive])
    }

    @Test("pending bytes are sent before more are received")
    func pendingFirst() {
        var half = half { $0.received(100) }
        #expect(half.pending == 100)
        #expect(actions(of: half) == [.wait, .wait, .send, .send])
        half.sent(99)
        #expect(actions(of: half) == [.wait, .wait, .send, .send])
        half.sent(1)
        #expect(half.pending == 0)
        #expect(actions(of: half) == [.wait, .wait, .wait, .receive])
    }

    @Test("without room at the sink, nothing is received")
    func backPressure() {
        var half = RelayDirectionState()
        #expect(half.next(canReceive: true, canSend: false) == .wait)
        half.received(10)
        half.sent(4)
        #expect(half.next(canReceive: true, canSend: false) == .wait)
    }

    @Test("a send that moves no bytes changes no state")
    func nothingSent() {
        let before = half { $0.received(10) }
        var after = before
        after.sent(0)
        #expect(after == before)
    }

    @Test("a FIN without pending bytes is forwarded immediately, even to a sink without room")
    func endAtOnce() {
        var half = half { $0.sourceEnded() }
        #expect(half.phase == .finishing)
        #expect(actions(of: half) == [.finish, .finish, .finish, .finish])
        #expect(!half.isSettled)
        half.finishSent()
        #expect(half.phase == .finished)
        #expect(half.isSettled)
        #expect(actions(of: half) == [.wait, .wait, .wait, .wait])
    }

    @Test("a FIN follows the last pending byte")
    func endAfterPending() {
        var half = half {
            $0.received(3)
            $0.sourceEnded()
        }
        #expect(actions(of: half) == [.wait, .wait, .send, .send])
        half.sent(2)
        #expect(actions(of: half) == [.wait, .wait, .send, .send])
        half.sent(1)
        #expect(half.next(canReceive: false, canSend: false) == .finish)
        half.finishSent()
        #expect(half.phase == .finished)
    }

    @Test("a failed source without pending bytes is settled")
    func failureAtOnce() {
        let half = half { $0.sourceFailed() }
        #expect(half.phase == .broken)
        #expect(half.isSettled)
        #expect(actions(of: half) == [.wait, .wait, .wait, .wait])
    }

    @Test("bytes before a source's failure are sent, without a FIN")
    func failureAfterPending() {
        var half = half {
            $0.received(7)
            $0.sourceFailed()
        }
        #expect(half.phase == .breaking)
        #expect(!half.isSettled)
        #expect(actions(of: half) == [.wait, .wait, .send, .send])
        half.sent(5)
        #expect(half.phase == .breaking)
        half.sent(2)
        #expect(half.phase == .broken)
        #expect(half.isSettled)
        #expect(actions(of: half) == [.wait, .wait, .wait, .wait])
    }

    @Test(
        "a failed sink discards pending bytes, returns their number, and wants no action",
        arguments: [
            ([], 0),
            ([.received(9)], 9),
            ([.received(9), .sent(5)], 4),
            ([.received(9), .sent(9)], 0),
            ([.sourceEnded], 0),
            ([.received(9), .sourceEnded], 9),
            ([.sourceEnded, .finishSent], 0),
            ([.received(9), .sourceFailed], 9),
            ([.sourceFailed], 0),
        ] as [([DirectionEvent], Int)]
    )
    func sinkFailed(after events: [DirectionEvent], lost: Int) {
        var half = RelayDirectionState(after: events)
        #expect(half.sinkFailed() == lost)
        #expect(half.phase == .abandoned)
        #expect(half.pending == 0)
        #expect(half.isSettled)
        #expect(actions(of: half) == [.wait, .wait, .wait, .wait])
        #expect(half.sinkFailed() == 0)
    }
}

/// Events that cannot happen: the driver is in a wrong state, and continuing could lose bytes of a connection.
@Suite("Relay direction state traps", .expectsTraps)
struct RelayDirectionStateTrapTests {
    @Test("bytes received while others are pending, or after the end, and a receive of zero bytes trap")
    func received() async {
        await #expect(processExitsWith: .failure) { _ = RelayDirectionState(after: [.received(1), .received(1)]) }
        await #expect(processExitsWith: .failure) { _ = RelayDirectionState(after: [.sourceEnded, .received(1)]) }
        await #expect(processExitsWith: .failure) { _ = RelayDirectionState(after: [.received(0)]) }
    }

    @Test("sending more than is pending, a negative number, or to an abandoned sink traps")
    func sent() async {
        await #expect(processExitsWith: .failure) { _ = RelayDirectionState(after: [.received(1), .sent(2)]) }
        await #expect(processExitsWith: .failure) { _ = RelayDirectionState(after: [.received(1), .sent(-1)]) }
        await #expect(processExitsWith: .failure) { _ = RelayDirectionState(after: [.sinkFailed, .sent(0)]) }
    }

    @Test("a FIN forwarded before the pending bytes, or without a received FIN, traps")
    func finished() async {
        await #expect(processExitsWith: .failure) {
            _ = RelayDirectionState(after: [.received(1), .sourceEnded, .finishSent])
        }
        await #expect(processExitsWith: .failure) { _ = RelayDirectionState(after: [.finishSent]) }
    }

    @Test("a second FIN and a failure after the end trap")
    func ended() async {
        await #expect(processExitsWith: .failure) { _ = RelayDirectionState(after: [.sourceEnded, .sourceEnded]) }
        await #expect(processExitsWith: .failure) { _ = RelayDirectionState(after: [.sourceEnded, .sourceFailed]) }
    }
}
