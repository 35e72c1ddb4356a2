/// What clients' own connects say of a server: too many failures in a row, or too large a share of them lately.
///
/// Times are in nanoseconds of a clock that does not go back; a moment before the last one counts as the last.
public struct FailureWindow: Sendable {
    /// When it is too much.
    public struct Limits: Sendable, Equatable {
        /// So many failures in a row; nil for no such limit.
        public var consecutive: Int?
        /// So many failures of a hundred attempts within the window, 1 to 100; nil for no such limit.
        public var percent: Int?
        /// Of fewer attempts within the window the share says nothing.
        public var leastAttempts: Int
        /// The window's length. It moves on by eighths, so what counts is the last seven eighths of it, to the whole.
        public var window: Int

        public init(consecutive: Int? = 5, percent: Int? = nil, leastAttempts: Int = 20, window: Int = 10_000_000_000) {
            self.consecutive = consecutive
            self.percent = percent
            self.leastAttempts = leastAttempts
            self.window = window
        }
    }

    /// Why a server should be ejected.
    public enum Cause: Sendable, Equatable {
        case consecutiveFailures(Int)
        case failureShare(failures: Int, attempts: Int)
    }

    public let limits: Limits
    /// Failures since the last success.
    public private(set) var consecutive = 0
    /// By eighths of the window; which one is the current eighth's number modulo eight.
    private var attempts = SIMD8<UInt32>()
    private var failures = SIMD8<UInt32>()
    private var currentEighth = Int.min

    public init(_ limits: Limits) {
        self.limits = limits
    }

    /// Hears how an attempt to connect ended.
    ///
    /// - Returns: why to eject the server, if this was too much. Then all counts begin anew.
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

    /// Forgets all attempts, as when the server comes back.
    public mutating func reset() {
        consecutive = 0
        attempts = SIMD8()
        failures = SIMD8()
    }

    private var cause: Cause? {
        if let limit = limits.consecutive, consecutive >= limit { return .consecutiveFailures(consecutive) }
        guard let percent = limits.percent else { return nil }
        let (tried, failed) = (Int(attempts.wrappedSum()), Int(failures.wrappedSum()))
        guard tried >= limits.leastAttempts, failed * 100 >= tried * min(percent, 100) else { return nil }
        return .failureShare(failures: failed, attempts: tried)
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
