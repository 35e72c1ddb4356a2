/// The ejection of a server. Its duration doubles with each ejection up to a cap, and decreases while the server stays
/// in the pool.
///
/// Times are in nanoseconds of a monotonic clock.
public struct Ejection: Sendable, Equatable {
    /// The duration of the first ejection.
    public let base: Int
    /// The maximum duration of an ejection.
    public let cap: Int
    /// The time in the pool that halves the duration of the next ejection.
    public let forgiveness: Int

    /// The end of the ejection; nil while the server is in the pool.
    public private(set) var until: Int?
    /// The number of ejections that have not expired, at most ``strikeLimit``.
    public private(set) var strikes = 0
    private var inSince = 0

    /// The maximum number of doublings; more would exceed 63 bits for any base.
    public static let strikeLimit = 62

    /// - Parameters:
    ///   - base: At least 1; less counts as 1.
    ///   - cap: At least `base`; less counts as `base`.
    ///   - forgiveness: At least 1; nil uses the cap.
    public init(base: Int = 10_000_000_000, cap: Int = 300_000_000_000, forgiveness: Int? = nil) {
        self.base = max(1, base)
        self.cap = max(self.base, cap)
        self.forgiveness = max(1, forgiveness ?? self.cap)
    }

    public var isEjected: Bool { until != nil }

    /// Ejects the server. If it is already ejected, the end of its ejection does not change.
    ///
    /// - Returns: The end of the ejection.
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

    /// Readmits the server if its ejection has ended.
    ///
    /// - Returns: Whether this call has readmitted the server.
    public mutating func advance(to now: Int) -> Bool {
        guard let until, now >= until else { return false }
        self.until = nil
        inSince = now
        return true
    }

    /// Readmits the server before its ejection ends.
    public mutating func end(at now: Int) {
        guard until != nil else { return }
        until = nil
        inSince = now
    }

    private mutating func forgive(to now: Int) {
        guard strikes > 0, now > inSince else { return }
        strikes -= min(strikes, (now &- inSince) / forgiveness)
    }
}

/// The fraction of a pool that may be ejected at the same time; the remaining servers must carry the load.
public struct EjectionBudget: Sendable, Equatable {
    /// The percentage of servers, 0 to 100.
    public let percent: Int

    /// - Parameter percent: 0 allows no ejection, 100 allows all servers to be ejected. Values in between allow at
    ///   least one server, if the pool has more than one, but never all.
    public init(percent: Int) {
        self.percent = min(max(percent, 0), 100)
    }

    /// Returns the maximum number of ejected servers for a pool with the given number of servers.
    public func limit(of servers: Int) -> Int {
        switch percent {
        case 0: 0
        case 100: max(0, servers)
        default: max(0, min(max(1, servers * percent / 100), servers - 1))
        }
    }

    /// Returns whether another server may be ejected, given the number of servers and how many of them are ejected.
    public func allowsAnother(ejected: Int, of servers: Int) -> Bool {
        ejected < limit(of: servers)
    }
}
