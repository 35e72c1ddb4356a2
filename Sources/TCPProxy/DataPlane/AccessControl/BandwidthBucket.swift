import Sockets

/// A bandwidth limit of a connection: a rate in bytes per second and a burst size.
///
/// Call ``allowance(at:)``, move at most that many bytes, then report them to ``spend(_:at:)``. A pure value type, for
/// one connection.
struct BandwidthBucket: Hashable, Sendable {
    /// Maximum rate, in bytes per second.
    static let maxRate = 1_000_000_000_000
    /// Maximum burst size, in bytes.
    static let maxBurst = 1 << 30
    /// Maximum time to refill an empty bucket.
    static let maxFillTime: Duration = .seconds(86_400)

    private let rate: UInt64
    private let burst: Int
    private let filling: UInt64
    /// The time at which the bucket is full if no more bytes are spent.
    private var fullAt = Instant(nanoseconds: 0)

    /// - Parameters:
    ///   - bytesPerSecond: 1 to ``maxRate``.
    ///   - burst: bytes, 1 to ``maxBurst``.
    /// - Returns: nil if a parameter is out of range, or if refilling the burst takes longer than ``maxFillTime``.
    init?(bytesPerSecond: Int, burst: Int) {
        guard (1...Self.maxRate).contains(bytesPerSecond), (1...Self.maxBurst).contains(burst) else {
            return nil
        }
        rate = UInt64(bytesPerSecond)
        self.burst = burst
        filling = Self.time(for: burst, rate)
        guard filling <= Self.maxFillTime.wholeNanoseconds else { return nil }
    }

    /// Uses a burst that lets a connection reach its rate without exceeding it noticeably: the bytes of 100 ms, but at
    /// least one segment.
    init?(bytesPerSecond: Int) {
        let burst = min(max(bytesPerSecond / 10, Self.segment), Self.maxBurst)
        self.init(bytesPerSecond: bytesPerSecond, burst: burst)
    }

    /// Approximate payload of one TCP segment: the minimum default burst, and a direction does not wake up for fewer
    /// bytes, unless the rate is less than this per second.
    static let segment = 1460

    /// The minimum number of bytes worth a wakeup: the bytes of 50 ms, or one segment.
    var quantum: Int { min(burst, max(Int(rate) / 20, min(Int(rate), Self.segment))) }

    /// Returns the number of bytes that may be moved now, 0 to the burst size.
    func allowance(at now: Instant) -> Int {
        guard fullAt > now else { return burst }
        let missing = fullAt.nanoseconds - now.nanoseconds
        guard missing < filling else { return 0 }
        // Does not overflow: the product is at most that of the full burst plus less than one rate, from rounding the
        // time up.
        return min(burst, Int((filling - missing) * rate / Self.second))
    }

    /// Deducts moved bytes, at most ``maxBurst`` per call. Bytes in excess of the allowance become a debt that
    /// delays later ones.
    mutating func spend(_ bytes: Int, at now: Instant) {
        guard bytes > 0 else { return }
        let start = max(fullAt, now).nanoseconds
        let (moment, overflow) = start.addingReportingOverflow(Self.time(for: min(bytes, Self.maxBurst), rate))
        fullAt = Instant(nanoseconds: overflow ? .max : moment)
    }

    /// Returns the time at which this many bytes, or the whole burst if that is less, may be moved: now, or a time for
    /// a timer.
    func nextMoment(for bytes: Int, at now: Instant) -> Instant {
        let wanted = Self.time(for: min(max(bytes, 1), burst), rate)
        guard fullAt > now, fullAt.nanoseconds - now.nanoseconds > filling - wanted else { return now }
        return Instant(nanoseconds: fullAt.nanoseconds - (filling - wanted))
    }

    private static let second: UInt64 = 1_000_000_000

    /// Returns the time that this many bytes take, in nanoseconds, rounded up so that the rate is never exceeded. Does
    /// not overflow because bytes are at most ``maxBurst``.
    private static func time(for bytes: Int, _ rate: UInt64) -> UInt64 {
        (UInt64(bytes) * second + rate - 1) / rate
    }
}
