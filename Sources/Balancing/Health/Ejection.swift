/// How long a server stays out that was ejected: twice as long each time, up to a cap, forgiven while it stays in.
///
/// Times are in nanoseconds of a clock that does not go back.
public struct Ejection: Sendable {
    /// The first ejection's length.
    public let base: Int
    /// The longest.
    public let cap: Int
    /// For each such time that a server stays in, its next ejection is half as long.
    public let forgiveness: Int

    /// When the server may come back; nil while it is in.
    public private(set) var until: Int?
    /// Ejections that are not forgiven yet, at most ``strikeLimit``.
    public private(set) var strikes = 0
    private var inSince = 0

    /// More doublings than this no base survives.
    public static let strikeLimit = 62

    /// - Parameters:
    ///   - base: at least 1; less counts as 1.
    ///   - cap: at least `base`; less counts as that.
    ///   - forgiveness: at least 1; nil for the cap.
    public init(base: Int = 10_000_000_000, cap: Int = 300_000_000_000, forgiveness: Int? = nil) {
        self.base = max(1, base)
        self.cap = max(self.base, cap)
        self.forgiveness = max(1, forgiveness ?? self.cap)
    }

    public var isEjected: Bool { until != nil }

    /// Ejects the server; one that is out already stays so, for no longer than it would have.
    ///
    /// - Returns: when it may come back.
    @discardableResult
    public mutating func eject(at now: Int) -> Int {
        if let until { return until }
        forgive(to: now)
        let (doubled, isTooLong) = base.multipliedReportingOverflow(by: 1 << strikes)
        strikes = min(strikes + 1, Self.strikeLimit)
        let (end, isTooLate) = now.addingReportingOverflow(isTooLong ? cap : min(doubled, cap))
        let until = isTooLate ? .max : end
        self.until = until
        return until
    }

    /// Lets the server come back once its time is over.
    ///
    /// - Returns: whether it came back by this call.
    public mutating func advance(to now: Int) -> Bool {
        guard let until, now >= until else { return false }
        readmit(at: now)
        return true
    }

    /// Lets the server come back at once, as when it passes its checks or somebody says so.
    public mutating func readmit(at now: Int) {
        guard isEjected else { return }
        until = nil
        inSince = now
    }

    private mutating func forgive(to now: Int) {
        guard strikes > 0, now > inSince else { return }
        strikes -= min(strikes, (now &- inSince) / forgiveness)
    }
}

/// How much of a pool may be ejected at once: what is left has to carry the load.
public struct EjectionBudget: Sendable, Equatable {
    /// Of a hundred servers, 0 to 100.
    public let percent: Int

    /// - Parameter percent: 0 ejects nobody, and 100 all if need be. Anything between ejects at least one, and never all.
    public init(percent: Int) {
        self.percent = min(max(percent, 0), 100)
    }

    /// The most of so many servers that may be out at once.
    public func limit(of servers: Int) -> Int {
        switch percent {
        case 0: 0
        case 100: max(0, servers)
        default: max(0, min(max(1, servers * percent / 100), servers - 1))
        }
    }

    /// Whether one more may be ejected, of so many servers of which so many are out already.
    public func allowsAnother(ejected: Int, of servers: Int) -> Bool {
        ejected < limit(of: servers)
    }
}
