import Balancing
import Sockets
import TCPProxy

/// Health state of one server: check results, outcomes of client connection attempts, and the administrator's settings.
/// Pure. Times are in nanoseconds of a monotonic clock.
struct ServerHealthState {
    /// Counters of client connection attempts to a server since it was added.
    struct Attempts: Equatable {
        var connected: Int
        var failed: Int
        var consecutiveFailures: Int
    }

    var adminState = ServerAdminState.enabled
    /// Weight set by an administrator in place of the configured one; nil if none is set.
    var weightOverride: Int?
    private var checked = HealthCounter.State.unknown
    private var checkCause = ""
    private var window: FailureWindow?
    private var ejection: Ejection
    private var ejectionCause = ""
    /// Set once the server has returned from an ejection.
    private var returnCause = ""
    private var seen: Attempts
    private var slowStart: SlowStart
    /// Time since which the server takes connections; nil while it does not. `.min` if it has done so from the start:
    /// such a server starts at full weight.
    private var openSince: Int?

    /// Maximum number of successes and of failures that are evaluated per poll.
    private static let attemptLimit = 1000

    init(_ settings: PoolSettings, seen: Attempts) {
        self.seen = seen
        window = settings.ejection.map { FailureWindow($0.limits) }
        ejection = Ejection(settings.ejection)
        slowStart = SlowStart(duration: settings.slowStart?.clampedNanoseconds ?? 0)
        checked = settings.check?.initially ?? .unknown
        if checked == .down { checkCause = "not checked yet" }
        openSince = checked == .down ? nil : .min
    }

    /// Switches to other settings; keeps the state of the server.
    mutating func adopt(_ settings: PoolSettings, after former: PoolSettings) {
        slowStart = SlowStart(duration: settings.slowStart?.clampedNanoseconds ?? 0)
        if settings.ejection != former.ejection {
            window = settings.ejection.map { FailureWindow($0.limits) }
            // A server that is ejected returns when its current ejection ends.
            if !isEjected || settings.ejection == nil { ejection = Ejection(settings.ejection) }
        }
        if settings.check == nil {
            checked = .unknown
            checkCause = ""
        } else if former.check == nil, settings.check?.initially == .down {
            checked = .down
            checkCause = "not checked yet"
        }
    }

    /// Returns the check with the current state as its initial state: a check that starts as "up" would not report a
    /// change when a down server comes up.
    func continued(_ check: HealthCheck) -> HealthCheck {
        guard checked != .unknown else { return check }
        var check = check
        check.initially = checked
        return check
    }

    var isEjected: Bool { ejection.isEjected }

    var state: ServerState {
        switch adminState {
        case .draining: .draining
        case .disabled: .disabled
        case .enabled:
            if checked == .down {
                .down
            } else if isEjected {
                .ejected
            } else {
                checked == .up ? .up : .unchecked
            }
        }
    }

    /// Reason for the state; empty if there is none.
    var cause: String {
        switch state {
        case .up: returnCause.isEmpty ? checkCause : returnCause
        case .down: checkCause
        case .ejected: ejectionCause
        case .draining, .disabled: "requested by an administrator"
        case .unchecked: returnCause
        }
    }

    /// Records the state that a health check reported.
    mutating func recordCheckResult(_ state: HealthCounter.State, cause: String) {
        guard state != checked else { return }
        checked = state
        checkCause = cause
        returnCause = ""
    }

    /// Evaluates the connection attempts since the last call and advances the ejection timer.
    ///
    /// - Parameter mayEject: whether the pool's ejection budget allows an ejection.
    mutating func advance(to now: Int, _ attempts: Attempts, mayEject: Bool) {
        if ejection.advance(to: now) {
            window?.reset()
            returnCause = "ejection ended"
        }
        if let cause = count(attempts, now), !isEjected, mayEject {
            ejection.eject(at: now)
            ejectionCause = Self.sentence(cause)
        }
        if !state.takesConnections {
            openSince = nil
        } else if openSince == nil {
            openSince = now
        }
    }

    /// - Returns: the cause for ejecting the server; nil if it is within the limits.
    private mutating func count(_ attempts: Attempts, _ now: Int) -> FailureWindow.Cause? {
        defer { seen = attempts }
        let successes = min(attempts.connected - seen.connected, Self.attemptLimit)
        let failures = min(attempts.failed - seen.failed, Self.attemptLimit)
        // The order of attempts is known only for the last ones: N consecutive failures without a success after them.
        let last = min(failures, attempts.consecutiveFailures)
        let outcomes = [(failures - last, true), (successes, false), (last, true)]
        var cause: FailureWindow.Cause?
        for (count, failed) in outcomes {
            for _ in 0..<max(0, count) { cause = window?.observe(failed: failed, at: now) ?? cause }
        }
        return cause
    }

    /// Returns the weight of the server, in units of `EffectiveWeight`.
    ///
    /// - Parameter growing: whether slow start applies.
    func weight(configured: Int, growing: Bool = true, at now: Int) -> Int {
        guard growing else { return EffectiveWeight.of(weightOverride ?? configured) }
        let factor = openSince.map { $0 == .min ? 1 : slowStart.factor(after: now - $0) } ?? slowStart.factor(after: 0)
        return EffectiveWeight.of(weightOverride ?? configured, factor: factor)
    }

    private static func sentence(_ cause: FailureWindow.Cause) -> String {
        switch cause {
        case .consecutiveFailures(let count): "\(count) consecutive connection attempts failed"
        case .failureRate(let failures, let attempts): "\(failures) of \(attempts) connection attempts failed"
        }
    }
}

extension Ejection {
    fileprivate init(_ settings: EjectionSettings?) {
        self.init(base: settings?.baseTime.clampedNanoseconds ?? 0, cap: settings?.maxTime.clampedNanoseconds ?? 0)
    }
}

extension Duration {
    /// Whole nanoseconds, clamped to the range of Int.
    var clampedNanoseconds: Int { Int(clamping: wholeNanoseconds) }
}
