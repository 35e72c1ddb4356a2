import Sockets
import Testing

@testable import TCPProxy

@Suite("Timeouts")
struct DeadlinesTests {
    /// A comparable deadline.
    private struct Next: Equatable {
        let seconds: Int
        let verdict: Deadlines.Verdict
    }

    private func at(_ seconds: Int) -> Instant { Instant(nanoseconds: UInt64(seconds) * 1_000_000_000) }

    /// Opened at 100 s, last activity at 120 s, attempt begun at 105 s, and next recheck at 130 s.
    private func facts(
        _ stage: Session.Stage,
        retryAt: Int? = nil,
        isHalfClosed: Bool = false,
        isProbed: Bool = true,
        looks: Bool = false
    ) -> Deadlines.Facts {
        Deadlines.Facts(
            stage: stage,
            openedAt: at(100),
            lastActivity: at(120),
            queueTimeout: .seconds(4),
            dialBeganAt: at(100),
            attemptStartedAt: at(105),
            retryAt: retryAt.map(at),
            isHalfClosed: isHalfClosed,
            isProbed: isProbed,
            nextLook: looks || stage == .delivering ? at(130) : nil
        )
    }

    private func next(_ facts: Deadlines.Facts, _ configure: (inout Configuration.Timeouts) -> Void) -> Next? {
        var timeouts = Configuration.Timeouts()
        timeouts.connect = nil
        timeouts.connectAttempt = nil
        timeouts.halfClose = nil
        configure(&timeouts)
        return Deadlines(timeouts: timeouts, keepAlive: .seconds(3)).next(facts).map { next in
            #expect(next.at.nanoseconds % 1_000_000_000 == 0)
            return Next(seconds: Int(next.at.nanoseconds / 1_000_000_000), verdict: next.verdict)
        }
    }

    @Test("with all timeouts off there is no deadline")
    func none() {
        #expect(next(facts(.dialing)) { _ in } == nil)
        #expect(next(facts(.relaying)) { _ in } == nil)
        #expect(next(facts(.relaying, isHalfClosed: true)) { _ in } == nil)
    }

    @Test("keep-alive probes start at a certain age, if enabled")
    func keepAlive() {
        let young = facts(.relaying, isProbed: false)
        #expect(next(young) { _ in } == Next(seconds: 103, verdict: .keepAlive))
        #expect(next(facts(.dialing, isProbed: false)) { _ in } == nil)
        #expect(Deadlines(timeouts: Configuration.Timeouts(), keepAlive: nil).next(young) == nil)
    }

    @Test("an attempt's timeout starts with it, the connect deadline at the accept; the earlier one is next")
    func dialing() {
        #expect(next(facts(.dialing)) { $0.connectAttempt = .seconds(5) } == Next(seconds: 110, verdict: .attempt))
        #expect(next(facts(.dialing)) { $0.connect = .seconds(15) } == Next(seconds: 115, verdict: .connect))
        let both: (inout Configuration.Timeouts) -> Void = {
            $0.connectAttempt = .seconds(5)
            $0.connect = .seconds(7)
        }
        #expect(next(facts(.dialing), both) == Next(seconds: 107, verdict: .connect))
    }

    @Test("if both are due at the same time, the connect deadline applies")
    func tie() {
        let both: (inout Configuration.Timeouts) -> Void = {
            $0.connectAttempt = .seconds(5)
            $0.connect = .seconds(10)
        }
        #expect(next(facts(.dialing), both) == Next(seconds: 110, verdict: .connect))
    }

    @Test("an attempt that waits for a retry has no timeout of its own")
    func retry() {
        #expect(
            next(facts(.dialing, retryAt: 106)) { $0.connectAttempt = .seconds(5) }
                == Next(seconds: 106, verdict: .retry)
        )
        #expect(
            next(facts(.dialing, retryAt: 106)) { $0.connect = .seconds(5) } == Next(seconds: 105, verdict: .connect)
        )
    }

    @Test("idle and half-close timeouts start at the last activity")
    func relaying() {
        #expect(next(facts(.relaying)) { $0.idle = .seconds(30) } == Next(seconds: 150, verdict: .idle))
        #expect(next(facts(.relaying)) { $0.halfClose = .seconds(20) } == nil)
        #expect(
            next(facts(.relaying, isHalfClosed: true)) { $0.halfClose = .seconds(20) }
                == Next(seconds: 140, verdict: .halfClose)
        )
        #expect(
            next(facts(.relaying, isHalfClosed: true)) {
                $0.idle = .seconds(10)
                $0.halfClose = .seconds(20)
            } == Next(seconds: 130, verdict: .idle)
        )
    }

    @Test("the connect deadline does not apply once a server is connected")
    func connected() {
        #expect(
            next(facts(.relaying)) {
                $0.connect = .seconds(1)
                $0.connectAttempt = .seconds(1)
            } == nil
        )
    }

    @Test("the lifetime starts at the accept, in every stage")
    func lifetime() {
        for stage in [Session.Stage.dialing, .relaying] {
            #expect(next(facts(stage)) { $0.lifetime = .seconds(25) } == Next(seconds: 125, verdict: .lifetime))
        }
        #expect(next(facts(.delivering)) { $0.lifetime = .seconds(25) } == Next(seconds: 125, verdict: .lifetime))
    }

    @Test("a scheduled recheck has a deadline, and so has a reset drain, which is never idle")
    func looks() {
        #expect(next(facts(.relaying, looks: true)) { _ in } == Next(seconds: 130, verdict: .recheck))
        #expect(next(facts(.delivering)) { $0.idle = .seconds(1) } == Next(seconds: 130, verdict: .delivery))
    }

    @Test("excessive durations are never due")
    func endless() {
        let deadlines = Deadlines(
            timeouts: {
                var timeouts = Configuration.Timeouts()
                timeouts.idle = .seconds(Int64.max)
                return timeouts
            }(),
            keepAlive: nil
        )
        #expect(deadlines.next(facts(.relaying))?.at == Instant(nanoseconds: .max))
    }
}
