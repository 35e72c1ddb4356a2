/// Passive health check based on the connects of clients: detects too many consecutive failures, or a too high failure
/// rate in a sliding window.
///
/// Times are in nanoseconds of a monotonic clock; a time before the last one counts as the last one.
public struct FailureWindow: Sendable, Equatable {
    /// The thresholds for ejection.
    public struct Limits: Sendable, Equatable {
        /// The number of consecutive failures; nil disables this threshold.
        public var consecutive: Int?
        /// The percentage of failed attempts within the window, 1 to 100; nil disables this threshold.
        public var percent: Int?
        /// The minimum number of attempts within the window for the percentage to apply.
        public var minAttempts: Int
        /// The length of the window. It advances in steps of one eighth, so between seven eighths and all of it are
        /// counted.
        public var window: Int

        public init(consecutive: Int? = 5, percent: Int? = nil, minAttempts: Int = 20, window: Int = 10_000_000_000) {
            self.consecutive = consecutive
            self.percent = percent
            self.minAttempts = minAttempts
            self.window = window
        }
    }

    /// The cause of an ejection.
    public enum Cause: Sendable, Equatable {
        case consecutiveFailures(Int)
        case failureRate(failures: Int, attempts: Int)
    }

    public let limits: Limits
    /// The number of failures since the last success.
    public private(set) var consecutive = 0
    /// The counts per eighth of the window; the index is the number of the eighth modulo 8.
    private var attempts = SIMD8<UInt32>()
    private var failures = SIMD8<UInt32>()
    private var currentEighth = Int.min

    public init(_ limits: Limits) {
        self.limits = limits
    }

    /// Records the result of a connect attempt.
    ///
    /// - Returns: The cause of an ejection if a threshold is reached; all counts are then reset.
    public mutating func observe(failed: Bool, at now: Int) -> Cause? {
        advance(to: now)
        let place = currentEighth & 7
        attempts[place] &+= 1
        guard failed else {
            consecutive = 0
            return nil
        }
        failures[place] &+= 1
        consecutive += 1
        guard let cause else { return nil }
        reset()
        return cause
    }

    /// Resets all counts, for example when the server is readmitted.
    public mutating func reset() {
        consecutive = 0
        attempts = SIMD8()
        failures = SIMD8()
    }

    private var cause: Cause? {
        if let limit = limits.consecutive, consecutive >= limit { return .consecutiveFailures(consecutive) }
        guard let percent = limits.percent else { return nil }
        let (tried, failed) = (Int(attempts.wrappedSum()), Int(failures.wrappedSum()))
        guard tried >= limits.minAttempts, failed * 100 >= tried * min(percent, 100) else { return nil }
        return .failureRate(failures: failed, attempts: tried)
    }

    private mutating func advance(to now: Int) {
        let eighth = max(0, now) / max(1, limits.window / 8)
        guard eighth > currentEighth else { return }
        if currentEighth < 0 || eighth - currentEighth >= 8 {
            attempts = SIMD8()
            failures = SIMD8()
        } else {
            for passed in (currentEighth + 1)...eighth {
                attempts[passed & 7] = 0
                failures[passed & 7] = 0
            }
        }
        currentEighth = eighth
    }
}
