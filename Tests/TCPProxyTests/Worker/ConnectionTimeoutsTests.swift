import Sockets
import Testing

@testable import TCPProxy

@Suite("Timeouts")
struct ConnectionTimeoutsTests {
    /// A comparable deadline.
    private struct Next: Equatable {
        let seconds: Int
        let action: ConnectionTimeouts.Action
    }

    private func at(_ seconds: Int) -> Instant { Instant(nanoseconds: UInt64(seconds) * 1_000_000_000) }

    /// Opened at 100 s, last activity at 120 s, attempt begun at 105 s, and next recheck at 130 s.
    private func inputs(
        _ stage: Session.Stage,
        retryAt: Int? = nil,
        isHalfClosed: Bool = false,
        hasKeepAlive: Bool = true,
        rechecks: Bool = false
    ) -> ConnectionTimeouts.Inputs {
        ConnectionTimeouts.Inputs(
            stage: stage,
            openedAt: at(100),
            lastActivity: at(120),
            queueTimeout: .seconds(4),
            dialBeganAt: at(100),
            attemptStartedAt: at(105),
            retryAt: retryAt.map(at),
            isHalfClosed: isHalfClosed,
            hasKeepAlive: hasKeepAlive,
            nextRecheck: rechecks || stage == .drainingBeforeReset ? at(130) : nil
        )
    }

    private func next(_ inputs: ConnectionTimeouts.Inputs, _ configure: (inout ListenerConfiguration.Timeouts) -> Void)
        -> Next?
    {
        var timeouts = ListenerConfiguration.Timeouts()
        timeouts.connect = nil
        timeouts.connectAttempt = nil
        timeouts.halfClose = nil
        configure(&timeouts)
        return ConnectionTimeouts(timeouts: timeouts, keepAlive: .seconds(3)).next(inputs).map { next in
            #expect(next.at.nanoseconds % 1_000_000_000 == 0)
            return Next(seconds: Int(next.at.nanoseconds / 1_000_000_000), action: next.action)
        }
    }

    @Test("with all timeouts off there is no deadline")
    func none() {
        #expect(next(inputs(.dialing)) { _ in } == nil)
        #expect(next(inputs(.relaying)) { _ in } == nil)
        #expect(next(inputs(.relaying, isHalfClosed: true)) { _ in } == nil)
    }

    @Test("keep-alive probes start at a certain age, if enabled")
    func keepAlive() {
        let young = inputs(.relaying, hasKeepAlive: false)
        #expect(next(young) { _ in } == Next(seconds: 103, action: .keepAlive))
        #expect(next(inputs(.dialing, hasKeepAlive: false)) { _ in } == nil)
        #expect(ConnectionTimeouts(timeouts: ListenerConfiguration.Timeouts(), keepAlive: nil).next(young) == nil)
    }

    @Test("an attempt's timeout starts with it, the connect deadline at the accept; the earlier one is next")
    func dialing() {
        #expect(next(inputs(.dialing)) { $0.connectAttempt = .seconds(5) } == Next(seconds: 110, action: .attempt))
        #expect(next(inputs(.dialing)) { $0.connect = .seconds(15) } == Next(seconds: 115, action: .connect))
    }

    @Test("the connect deadline applies if it is due first or with the attempt's timeout", arguments: [7, 10])
    func deadline(seconds: Int) {
        let both: (inout ListenerConfiguration.Timeouts) -> Void = {
            $0.connectAttempt = .seconds(5)
            $0.connect = .seconds(seconds)
        }
        #expect(next(inputs(.dialing), both) == Next(seconds: 100 + seconds, action: .connect))
    }

    @Test("an attempt that waits for a retry has no timeout of its own")
    func retry() {
        #expect(
            next(inputs(.dialing, retryAt: 106)) { $0.connectAttempt = .seconds(5) }
                == Next(seconds: 106, action: .retry)
        )
        #expect(
            next(inputs(.dialing, retryAt: 106)) { $0.connect = .seconds(5) } == Next(seconds: 105, action: .connect)
        )
    }

    @Test("idle and half-close timeouts start at the last activity")
    func relaying() {
        #expect(next(inputs(.relaying)) { $0.idle = .seconds(30) } == Next(seconds: 150, action: .idle))
        #expect(next(inputs(.relaying)) { $0.halfClose = .seconds(20) } == nil)
        #expect(
            next(inputs(.relaying, isHalfClosed: true)) { $0.halfClose = .seconds(20) }
                == Next(seconds: 140, action: .halfClose)
        )
        #expect(
            next(inputs(.relaying, isHalfClosed: true)) {
                $0.idle = .seconds(10)
                $0.halfClose = .seconds(20)
            } == Next(seconds: 130, action: .idle)
        )
    }

    @Test("the connect deadline does not apply once a server is connected")
    func connected() {
        #expect(
            next(inputs(.relaying)) {
                $0.connect = .seconds(1)
                $0.connectAttempt = .seconds(1)
            } == nil
        )
    }

    @Test("the lifetime starts at the accept, in every stage")
    func lifetime() {
        for stage in [Session.Stage.dialing, .relaying] {
            #expect(next(inputs(stage)) { $0.lifetime = .seconds(25) } == Next(seconds: 125, action: .lifetime))
        }
        #expect(
            next(inputs(.drainingBeforeReset)) { $0.lifetime = .seconds(25) } == Next(seconds: 125, action: .lifetime)
        )
    }

    @Test("a scheduled recheck has a deadline, and so has a reset drain, which is never idle")
    func rechecks() {
        #expect(next(inputs(.relaying, rechecks: true)) { _ in } == Next(seconds: 130, action: .recheck))
        #expect(next(inputs(.drainingBeforeReset)) { $0.idle = .seconds(1) } == Next(seconds: 130, action: .resetDrain))
    }

    @Test("excessive durations are never due")
    func endless() {
        let deadlines = ConnectionTimeouts(
            timeouts: {
                var timeouts = ListenerConfiguration.Timeouts()
                timeouts.idle = .seconds(Int64.max)
                return timeouts
            }(),
            keepAlive: nil
        )
        #expect(deadlines.next(inputs(.relaying))?.at == Instant(nanoseconds: .max))
    }
}
