import Randomness
import Relay
import Sockets

/// The timeouts of a connection: computes the next deadline and its action. A pure value type.
///
/// A connection has one timer, set to the earliest of its deadlines. Activity moves a deadline without rescheduling the
/// timer; a timer that fires early for that reason is only rescheduled.
struct ConnectionTimeouts: Equatable {
    enum Action: Equatable {
        /// The PROXY protocol header or the ClientHello was not complete in time.
        case preread
        /// The TLS handshake with the client was not complete in time.
        case handshake
        /// The connection attempt timed out: try the next server.
        case attempt
        /// All attempts together timed out.
        case connect
        /// No connection slot became available in time.
        case queue
        /// Repeat the attempt.
        case retry
        case idle
        case halfClose
        case lifetime
        /// The connection is long-lived: enable TCP keep-alive on the server's socket.
        case keepAlive
        /// Read a source without a readiness event: because SO_RCVLOWAT suppresses events for few bytes, or because the
        /// bandwidth limit permits more.
        case recheck
        /// Check whether the last bytes have been acknowledged.
        case resetDrain
    }

    /// The input for the computation of a connection's deadlines.
    struct Inputs {
        var stage: Session.Stage
        var openedAt: Instant
        var lastActivity: Instant
        /// Maximum time in the pool's queue.
        var queueTimeout: Duration?
        var dialBeganAt: Instant
        var attemptStartedAt: Instant
        var retryAt: Instant?
        var isHalfClosed: Bool
        var hasKeepAlive: Bool
        /// A number that differs between connections, for ``ListenerConfiguration/Timeouts/lifetimeJitter``.
        var jitterSeed: UInt64 = 0
        /// When to read a source without a readiness event, or to check for acknowledgement before a reset.
        var nextRecheck: Instant?
    }

    let timeouts: ListenerConfiguration.Timeouts
    /// The age of a connection at which TCP keep-alive is enabled on its server's socket; nil is never.
    let keepAlive: Duration?

    /// Returns the earliest deadline and its action; nil if there is none.
    func next(_ inputs: Inputs) -> (at: Instant, action: Action)? {
        var soonest: (at: Instant, action: Action)?
        func consider(_ start: Instant, _ duration: Duration?, _ action: Action) {
            guard let duration else { return }
            let at = start + duration
            if soonest.map({ at < $0.at }) ?? true { soonest = (at, action) }
        }
        switch inputs.stage {
        case .preread:
            consider(inputs.openedAt, timeouts.preread, .preread)
        case .handshake:
            consider(inputs.openedAt, timeouts.handshake, .handshake)
        case .securing:
            consider(inputs.dialBeganAt, timeouts.connect, .connect)
            consider(inputs.attemptStartedAt, timeouts.connectAttempt, .attempt)
        case .queued:
            consider(inputs.dialBeganAt, inputs.queueTimeout, .queue)
        case .dialing:
            consider(inputs.dialBeganAt, timeouts.connect, .connect)
            if let retryAt = inputs.retryAt {
                consider(retryAt, .zero, .retry)
            } else {
                consider(inputs.attemptStartedAt, timeouts.connectAttempt, .attempt)
            }
        case .relaying:
            consider(inputs.lastActivity, timeouts.idle, .idle)
            if let nextRecheck = inputs.nextRecheck { consider(nextRecheck, .zero, .recheck) }
            if !inputs.hasKeepAlive { consider(inputs.openedAt, keepAlive, .keepAlive) }
            if inputs.isHalfClosed { consider(inputs.lastActivity, timeouts.halfClose, .halfClose) }
        case .drainingBeforeReset:
            if let nextRecheck = inputs.nextRecheck { consider(nextRecheck, .zero, .resetDrain) }
        }
        if let lifetime = timeouts.lifetime {
            consider(inputs.openedAt, shortened(lifetime, by: timeouts.lifetimeJitter, inputs.jitterSeed), .lifetime)
        }
        return soonest
    }

    @inline(never)
    private func shortened(_ lifetime: Duration, by percentage: Int, _ seed: UInt64) -> Duration {
        guard percentage > 0 else { return lifetime }
        let share = Double(SplitMix64.mix(seed) >> 32) / 4_294_967_296 * Double(percentage) / 100
        return lifetime - .nanoseconds(Int64(Double(lifetime.wholeNanoseconds) * share))
    }
}

extension Session {
    /// Whether at least one direction has reached its end.
    @inline(__always)
    var isHalfClosed: Bool { duplex.upstream.state.phase != .open || duplex.downstream.state.phase != .open }

    /// - Parameters:
    ///   - queueTimeout: maximum time in the pool's queue.
    ///   - recheckAt: when to read a source without a readiness event.
    @inline(__always)
    func timeoutInputs(queueTimeout: Duration?, recheckAt: Instant?) -> ConnectionTimeouts.Inputs {
        ConnectionTimeouts.Inputs(
            stage: stage,
            openedAt: openedAt,
            lastActivity: lastActivity,
            queueTimeout: queueTimeout,
            dialBeganAt: dial.beganAt,
            attemptStartedAt: dial.startedAt,
            retryAt: dial.retryAt,
            isHalfClosed: isHalfClosed,
            hasKeepAlive: hasKeepAlive,
            jitterSeed: id.rawValue,
            nextRecheck: stage == .drainingBeforeReset ? resetDrain.nextRecheck : recheckAt
        )
    }
}
