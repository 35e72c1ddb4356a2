import Balancing
import Sockets
import TCPProxy

/// What is thought of one server, by its checks, by how clients' attempts to connect went, and by what somebody has ordered:
/// pure. Times are in nanoseconds of a clock that does not go back.
struct ServerStanding {
    /// How clients' attempts to connect to a server have gone since its beginning.
    struct Attempts: Equatable {
        var connected: Int
        var failed: Int
        var failuresInARow: Int
    }

    var order = ServerOrder.enable
    /// In place of the configured weight, if somebody has said so.
    var orderedWeight: Int?
    private var checked = HealthCounter.State.unknown
    private var checkCause = ""
    private var window: FailureWindow?
    private var ejection: Ejection
    private var ejectionCause = ""
    /// Set once it has come back from an ejection.
    private var returnCause = ""
    private var seen: Attempts
    private var slowStart: SlowStart
    /// Since when it takes connections; nil while it does not. A server that has always done so starts at full weight.
    private var openSince: Int?

    /// More attempts between two looks than this are not told apart.
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

    /// Is judged by other settings from now on. What is known of it stays.
    mutating func adopt(_ settings: PoolSettings, after former: PoolSettings) {
        slowStart = SlowStart(duration: settings.slowStart?.clampedNanoseconds ?? 0)
        if settings.ejection != former.ejection {
            window = settings.ejection.map { FailureWindow($0.limits) }
            // One that is out comes back when it was to.
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

    /// A check that goes on from what is known: else one that begins with "up" would never tell that a server is up again.
    func continued(_ check: HealthCheck) -> HealthCheck {
        guard checked != .unknown else { return check }
        var check = check
        check.initially = checked
        return check
    }

    var isEjected: Bool { ejection.isEjected }

    var state: ServerState {
        switch order {
        case .drain: .draining
        case .disable: .disabled
        case .enable:
            if checked == .down {
                .down
            } else if isEjected {
                .ejected
            } else {
                checked == .up ? .up : .unchecked
            }
        }
    }

    /// What has brought it into its state; empty where nothing has.
    var cause: String {
        switch state {
        case .up: returnCause.isEmpty ? checkCause : returnCause
        case .down: checkCause
        case .ejected: ejectionCause
        case .draining, .disabled: "somebody has ordered it"
        case .unchecked: returnCause
        }
    }

    /// Hears what a check has found.
    mutating func heard(_ state: HealthCounter.State, cause: String) {
        guard state != checked else { return }
        checked = state
        checkCause = cause
        returnCause = ""
    }

    /// Hears how attempts to connect have gone, and lets time pass.
    ///
    /// - Parameter mayEject: whether the pool can do without it.
    mutating func advance(to now: Int, _ attempts: Attempts, mayEject: Bool) {
        if ejection.advance(to: now) {
            window?.reset()
            returnCause = "its ejection is over"
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

    /// - Returns: why to eject the server, if that was too much.
    private mutating func count(_ attempts: Attempts, _ now: Int) -> FailureWindow.Cause? {
        defer { seen = attempts }
        let successes = min(attempts.connected - seen.connected, Self.attemptLimit)
        let failures = min(attempts.failed - seen.failed, Self.attemptLimit)
        // Their order is known only as far as the last of them: so many failures and no success after them.
        let last = min(failures, attempts.failuresInARow)
        let outcomes = [(failures - last, true), (successes, false), (last, true)]
        var cause: FailureWindow.Cause?
        for (count, failed) in outcomes {
            for _ in 0..<max(0, count) { cause = window?.observe(failed: failed, at: now) ?? cause }
        }
        return cause
    }

    /// The server's share of connections, in the parts of `EffectiveWeight`.
    ///
    /// - Parameter growing: whether it is less for a while after the server came up.
    func weight(configured: Int, growing: Bool = true, at now: Int) -> Int {
        guard growing else { return EffectiveWeight.of(orderedWeight ?? configured) }
        let factor = openSince.map { $0 == .min ? 1 : slowStart.factor(after: now - $0) } ?? slowStart.factor(after: 0)
        return EffectiveWeight.of(orderedWeight ?? configured, factor: factor)
    }

    private static func sentence(_ cause: FailureWindow.Cause) -> String {
        switch cause {
        case .consecutiveFailures(let count): "\(count) attempts to connect in a row failed"
        case .failureShare(let failures, let attempts): "\(failures) of \(attempts) attempts to connect failed"
        }
    }
}

extension Ejection {
    fileprivate init(_ settings: EjectionSettings?) {
        self.init(base: settings?.base.clampedNanoseconds ?? 0, cap: settings?.longest.clampedNanoseconds ?? 0)
    }
}

extension Duration {
    /// In whole nanoseconds, as far as an Int counts.
    var clampedNanoseconds: Int { Int(clamping: wholeNanoseconds) }
}
