import Balancing
import Sockets
import TCPProxy

/// Health state of one server: check results, outcomes of client connection attempts, and the administrator's settings.
/// Pure. Times are in nanoseconds of a monotonic clock.
///
/// Checks and ejection act on this one state: passed checks end an ejection, and a server that the checks hold down is
/// not ejected as well.
struct ServerHealthState: Equatable {
    /// Counters of client connection attempts to a server since it was added.
    struct Attempts: Equatable {
        var connected: Int
        var failed: Int
        var consecutiveFailures: Int
    }

    var adminState = ServerAdminState.enabled
    /// Weight set by an administrator in place of the configured one; nil if none is set.
    var weightOverride: Int?
    /// Why the server's name has no address yet; nil if the server has one.
    var resolutionFailure: String? {
        didSet {
            if oldValue != nil, resolutionFailure == nil { returnCause = "its name was resolved" }
        }
    }
    private var checked = HealthCounter.State.unknown
    private var checkCause = ""
    /// Number of consecutive passed checks that end an ejection.
    private var rise: Int
    /// Consecutive passed checks since the ejection began.
    private var passesWhileEjected = 0
    private var window: FailureWindow?
    private var ejection: Ejection
    private var ejectionCause = ""
    /// Set once the server has returned from an ejection.
    private var returnCause = ""
    private var seen: Attempts
    private var slowStart: SlowStart
    /// Time since which the server takes connections; nil while it does not. `.min` if it has done so since the start
    /// of the process: such a server has its full weight immediately.
    private var openSince: Int?

    /// Maximum number of successes and of failures that are evaluated per poll.
    private static let attemptLimit = 1000

    private static let notChecked = "not checked yet"

    /// - Parameter isAtStart: whether the process starts with the server. Slow start does not apply then, because all
    ///   servers start together; it applies to a server that is added later.
    init(_ settings: PoolSettings, seen: Attempts, isAtStart: Bool, resolutionFailure: String? = nil) {
        self.seen = seen
        self.resolutionFailure = resolutionFailure
        rise = settings.check?.rise ?? HealthCheck.Settings.rise.defaultValue
        window = settings.ejection.map { FailureWindow($0.limits) }
        ejection = Ejection(settings.ejection)
        slowStart = SlowStart(duration: settings.slowStart?.clampedNanoseconds ?? 0)
        checked = settings.check?.initially ?? .unknown
        if checked == .down { checkCause = Self.notChecked }
        openSince = isAtStart && state.takesConnections ? .min : nil
    }

    /// Switches to other settings; keeps the state of the server.
    mutating func adopt(_ settings: PoolSettings, after former: PoolSettings) {
        slowStart = SlowStart(duration: settings.slowStart?.clampedNanoseconds ?? 0)
        rise = settings.check?.rise ?? HealthCheck.Settings.rise.defaultValue
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
            checkCause = Self.notChecked
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

    /// Returns whether the state changes only with new attempts, check results or settings, and not as time passes.
    func isAtRest(at now: Int) -> Bool {
        guard !isEjected else { return false }
        guard let openSince, openSince != .min else { return true }
        return !slowStart.isRunning(after: now - openSince)
    }

    var state: ServerState {
        switch adminState {
        case .draining: .draining
        case .disabled: .disabled
        case .enabled:
            if resolutionFailure != nil {
                .unresolved
            } else if checked == .down {
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
        case .unresolved: resolutionFailure ?? ""
        case .draining, .disabled: "requested by an administrator"
        case .unchecked: returnCause
        }
    }

    /// Records the result of a health check.
    ///
    /// - Parameters:
    ///   - state: state of the server according to its checks, with this result taken into account.
    ///   - passed: whether this check passed.
    ///   - cause: reason for the result, as the end of a sentence.
    mutating func recordCheckResult(_ state: HealthCounter.State, passed: Bool, cause: String, at now: Int) {
        passesWhileEjected = isEjected && passed ? passesWhileEjected + 1 : 0
        if state != checked {
            // A server that comes up has passed `rise` checks; failed connections from before say nothing about it.
            if checked == .down, state == .up { endEjection(at: now) }
            checked = state
            checkCause = cause
            returnCause = ""
        } else if state == .down {
            // The cause of the last failure: what a server failed with at first may have been fixed since.
            if !passed {
                checkCause = cause
            } else if checkCause == Self.notChecked {
                checkCause = "\(cause), \(rise) in a row are needed"
            }
        }
        if passesWhileEjected >= rise {
            endEjection(at: now)
            returnCause = cause
        }
    }

    private mutating func endEjection(at now: Int) {
        window?.reset()
        passesWhileEjected = 0
        ejection.end(at: now)
    }

    /// Evaluates the connection attempts since the last call and advances the ejection timer.
    ///
    /// - Parameter mayEject: whether the pool's ejection budget allows an ejection.
    mutating func advance(to now: Int, _ attempts: Attempts, mayEject: Bool) {
        if ejection.advance(to: now) {
            window?.reset()
            returnCause = "ejection ended"
        }
        if let cause = count(attempts, now), !isEjected, checked != .down, mayEject {
            ejection.eject(at: now)
            passesWhileEjected = 0
            ejectionCause = Self.sentence(cause)
        }
    }

    /// Starts slow start if the server has become available since the last call, for whatever reason, and ends it if
    /// the server has become unavailable. Call it after each change of the state.
    ///
    /// - Parameter configured: configured weight; a server of weight 0 is not available.
    mutating func noteAvailability(configured: Int, at now: Int) {
        if !state.takesConnections || (weightOverride ?? configured) <= 0 {
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
