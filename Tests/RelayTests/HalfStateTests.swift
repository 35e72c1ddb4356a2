import Relay
import Testing

/// One direction as a transcript: the events it receives and the actions it then requests.
@Suite("HalfState")
struct HalfStateTests {
    /// Returns a half after these events.
    private func half(after events: (inout HalfState) -> Void) -> HalfState {
        var half = HalfState()
        events(&half)
        return half
    }

    /// Returns its actions for each of the four states of its endpoints: neither ready, only source, only sink, both.
    private func actions(of half: HalfState) -> [HalfState.Action] {
        [(false, false), (true, false), (false, true), (true, true)].map { source, sink in
            half.next(canReceive: source, canSend: sink)
        }
    }

    @Test("a new half receives when there is something to receive and room to pass it on")
    func open() {
        #expect(actions(of: HalfState()) == [.wait, .wait, .wait, .receive])
    }

    @Test("with bytes pending it sends, and receives nothing before they are gone")
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

    @Test("for a sink that would not take anything, nothing is received")
    func backPressure() {
        var half = HalfState()
        #expect(half.next(canReceive: true, canSend: false) == .wait)
        half.received(10)
        half.sent(4)
        #expect(half.next(canReceive: true, canSend: false) == .wait)
    }

    @Test("a send that takes nothing changes nothing")
    func nothingSent() {
        let before = half { $0.received(10) }
        var after = before
        after.sent(0)
        #expect(after == before)
    }

    @Test("an end is passed on at once when nothing is pending, also to a sink that has no room")
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

    @Test("an end comes after the last pending byte")
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

    @Test("a failed source with nothing pending has been passed on entirely")
    func failureAtOnce() {
        let half = half { $0.sourceFailed() }
        #expect(half.phase == .broken)
        #expect(half.isSettled)
        #expect(actions(of: half) == [.wait, .wait, .wait, .wait])
    }

    @Test("what came before a source's failure still goes out, and no end after it")
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

    enum Event: Sendable {
        case received(Int)
        case sent(Int)
        case sourceEnded
        case finishSent
        case sourceFailed
    }

    @Test(
        "a failed sink gives up what is pending, says how much that is, and wants nothing more",
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
        ] as [([Event], Int)]
    )
    func sinkFailed(after events: [Event], lost: Int) {
        var half = HalfState()
        for event in events {
            switch event {
            case .received(let count): half.received(count)
            case .sent(let count): half.sent(count)
            case .sourceEnded: half.sourceEnded()
            case .finishSent: half.finishSent()
            case .sourceFailed: half.sourceFailed()
            }
        }
        #expect(half.sinkFailed() == lost)
        #expect(half.phase == .abandoned)
        #expect(half.pending == 0)
        #expect(half.isSettled)
        #expect(actions(of: half) == [.wait, .wait, .wait, .wait])
        #expect(half.sinkFailed() == 0)
    }
}

/// Events that cannot happen: the driver is in a wrong state, and continuing could lose bytes of a connection.
@Suite("HalfState traps")
struct HalfStateTrapTests {
    @Test("bytes received while others are pending")
    func receivedTwice() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            half.received(1)
            half.received(1)
        }
    }

    @Test("a receive of nothing")
    func receivedNothing() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            half.received(0)
        }
    }

    @Test("bytes received after the end")
    func receivedAfterEnd() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            half.sourceEnded()
            half.received(1)
        }
    }

    @Test("more sent than was pending")
    func sentTooMuch() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            half.received(1)
            half.sent(2)
        }
    }

    @Test("less than nothing sent")
    func sentNegative() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            half.received(1)
            half.sent(-1)
        }
    }

    @Test("bytes sent to a sink that is given up")
    func sentAfterSinkFailed() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            _ = half.sinkFailed()
            half.sent(0)
        }
    }

    @Test("an end passed on before the pending bytes")
    func finishedTooSoon() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            half.received(1)
            half.sourceEnded()
            half.finishSent()
        }
    }

    @Test("an end passed on that nobody has sent")
    func finishedUnasked() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            half.finishSent()
        }
    }

    @Test("a second end")
    func endedTwice() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            half.sourceEnded()
            half.sourceEnded()
        }
    }

    @Test("a failure after the end")
    func failedAfterEnd() async {
        await #expect(processExitsWith: .failure) {
            var half = HalfState()
            half.sourceEnded()
            half.sourceFailed()
        }
    }
}
