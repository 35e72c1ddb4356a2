import Relay
import Sockets

/// What a time-out does to a connection, and when it is due: pure.
///
/// A connection has one timer, set for the soonest of its deadlines. Activity moves a deadline without touching the
/// timer: when the timer fires too early for that, it is only set anew.
struct Deadlines: Equatable {
    enum Verdict: Equatable {
        /// What the client has to say before a server is chosen has not come.
        case preface
        /// The attempt to connect has taken too long: go on to the next address.
        case attempt
        /// All attempts together have.
        case connect
        /// Nobody has left a place at a server for too long.
        case queue
        /// Repeat the attempt.
        case retry
        case idle
        case halfClose
        case lifetime
        /// The connection is one that lasts: have it probed.
        case keepAlive
        /// Read a source without a readiness event: for bytes too few to be reported, or because there is budget again.
        case recheck
        /// Look whether the last bytes have been delivered.
        case delivery
    }

    /// What the deadlines of a connection depend on.
    struct Facts {
        var stage: Session.Stage
        var openedAt: Instant
        var lastActivity: Instant
        /// How long the pool lets a client wait for a place.
        var queueTimeout: Duration?
        var dialBeganAt: Instant
        var attemptStartedAt: Instant
        var retryAt: Instant?
        var isHalfClosed: Bool
        var isProbed: Bool
        /// When a source is read without a readiness event, or delivery is looked at.
        var nextLook: Instant?
    }

    let timeouts: Configuration.Timeouts
    /// The age at which a connection's server is probed from then on; nil is never.
    let keepAlive: Duration?

    /// The soonest deadline and what it means; nil if there is none.
    func next(_ facts: Facts) -> (at: Instant, verdict: Verdict)? {
        var soonest: (at: Instant, verdict: Verdict)?
        func consider(_ start: Instant, _ duration: Duration?, _ verdict: Verdict) {
            guard let duration else { return }
            let at = start + duration
            if soonest.map({ at < $0.at }) ?? true { soonest = (at, verdict) }
        }
        switch facts.stage {
        case .preface:
            consider(facts.openedAt, timeouts.preface, .preface)
        case .queued:
            consider(facts.dialBeganAt, facts.queueTimeout, .queue)
        case .dialing:
            consider(facts.dialBeganAt, timeouts.connect, .connect)
            if let retryAt = facts.retryAt {
                consider(retryAt, .zero, .retry)
            } else {
                consider(facts.attemptStartedAt, timeouts.connectAttempt, .attempt)
            }
        case .relaying:
            consider(facts.lastActivity, timeouts.idle, .idle)
            if let nextLook = facts.nextLook { consider(nextLook, .zero, .recheck) }
            if !facts.isProbed { consider(facts.openedAt, keepAlive, .keepAlive) }
            if facts.isHalfClosed { consider(facts.lastActivity, timeouts.halfClose, .halfClose) }
        case .delivering:
            if let nextLook = facts.nextLook { consider(nextLook, .zero, .delivery) }
        }
        consider(facts.openedAt, timeouts.lifetime, .lifetime)
        return soonest
    }
}

extension Session {
    /// Whether a direction has ended.
    @inline(__always)
    var isHalfClosed: Bool { duplex.upstream.state.phase != .open || duplex.downstream.state.phase != .open }

    /// - Parameters:
    ///   - queueTimeout: how long its pool lets a client wait for a place.
    ///   - recheckAt: when a source is read without a readiness event.
    @inline(__always)
    func deadlineFacts(queueTimeout: Duration?, recheckAt: Instant?) -> Deadlines.Facts {
        Deadlines.Facts(
            stage: stage,
            openedAt: openedAt,
            lastActivity: lastActivity,
            queueTimeout: queueTimeout,
            dialBeganAt: dial.beganAt,
            attemptStartedAt: dial.startedAt,
            retryAt: dial.retryAt,
            isHalfClosed: isHalfClosed,
            isProbed: isProbed,
            nextLook: stage == .delivering ? delivery.nextLook : recheckAt
        )
    }
}
