import Sockets

/// How many bytes a connection may move: so many in a second, and so many at once after a rest.
///
/// Ask how many may go, let no more go, and say how many went. Pure, for one connection.
struct Bandwidth: Hashable, Sendable {
    /// The highest rate, in bytes each second.
    static let highestRate = 1_000_000_000_000
    /// The most bytes that may go at once.
    static let largestBurst = 1 << 30
    /// The longest time that an empty bucket may take to be full.
    static let longestFilling: Duration = .seconds(86_400)

    private let rate: UInt64
    private let burst: Int
    private let filling: UInt64
    /// When the bucket will be full if nothing more goes.
    private var fullAt = Instant(nanoseconds: 0)

    /// - Parameters:
    ///   - bytesPerSecond: 1 to ``highestRate``.
    ///   - burst: bytes, 1 to ``largestBurst``.
    /// - Returns: nil if one of them is outside its range, or if the burst takes longer than ``longestFilling``.
    init?(bytesPerSecond: Int, burst: Int) {
        guard (1...Self.highestRate).contains(bytesPerSecond), (1...Self.largestBurst).contains(burst) else {
            return nil
        }
        rate = UInt64(bytesPerSecond)
        self.burst = burst
        filling = Self.time(for: burst, rate)
        guard filling <= Self.longestFilling.wholeNanoseconds else { return nil }
    }

    /// With a burst that lets a connection be as quick as its rate allows: a tenth of a second's bytes, and no less than
    /// ``leastBurst``.
    init?(bytesPerSecond: Int) {
        let burst = min(max(bytesPerSecond / 10, Self.leastBurst), Self.largestBurst)
        self.init(bytesPerSecond: bytesPerSecond, burst: burst)
    }

    /// The burst of a low rate, in bytes: a message of usual length goes at once.
    static let leastBurst = 16 * 1024
    /// The payload of a packet, about: no half wakes up for less, unless a second has no more.
    private static let packet = 1460

    /// Bytes that it is worth waking up for: a twentieth of a second's, or a packet.
    var quantum: Int { min(burst, max(Int(rate) / 20, min(Int(rate), Self.packet))) }

    /// How many bytes may go now, 0 to the burst.
    func allowance(at now: Instant) -> Int {
        guard fullAt > now else { return burst }
        let missing = fullAt.nanoseconds - now.nanoseconds
        guard missing < filling else { return 0 }
        // Fits: it is the burst's own product, and less than a rate more where its time was rounded up.
        return min(burst, Int((filling - missing) * rate / Self.second))
    }

    /// Counts bytes that went, at most ``largestBurst`` at once. More than were allowed are a debt, for which later ones wait.
    mutating func spend(_ bytes: Int, at now: Instant) {
        guard bytes > 0 else { return }
        let start = max(fullAt, now).nanoseconds
        let (moment, overflow) = start.addingReportingOverflow(Self.time(for: min(bytes, Self.largestBurst), rate))
        fullAt = Instant(nanoseconds: overflow ? .max : moment)
    }

    /// When so many bytes, or the whole burst if that is less, may go: now, or the moment for a timer.
    func nextMoment(for bytes: Int, at now: Instant) -> Instant {
        let wanted = Self.time(for: min(max(bytes, 1), burst), rate)
        guard fullAt > now, fullAt.nanoseconds - now.nanoseconds > filling - wanted else { return now }
        return Instant(nanoseconds: fullAt.nanoseconds - (filling - wanted))
    }

    private static let second: UInt64 = 1_000_000_000

    /// How long so many bytes take, in nanoseconds, rounded up: the rate is never exceeded. Fits, as bytes are at most
    /// ``largestBurst``.
    private static func time(for bytes: Int, _ rate: UInt64) -> UInt64 {
        (UInt64(bytes) * second + rate - 1) / rate
    }
}
