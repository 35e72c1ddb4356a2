/// A moving average of times that rises to a peak immediately and decays slowly (peak EWMA, as in Finagle).
///
/// A server that has become slow is therefore avoided immediately, and used again only after it has been fast for a
/// while.
public enum PeakAverage {
    /// The default time constant in nanoseconds (10 s): after this time without a peak, the old average has a weight of
    /// 1/e (37 %).
    @inlinable public static var defaultTimeConstant: Int { 10_000_000_000 }
    /// The maximum time in nanoseconds, about 104 days; longer times count as this.
    @inlinable public static var maxTime: Int { 1 << 53 }

    /// Returns the average updated with a sample; all times are in nanoseconds.
    ///
    /// - Parameters:
    ///   - average: The previous average; 0 if there is none.
    ///   - sample: The measured time; less than 1 counts as 1.
    ///   - elapsed: The time since the previous sample.
    ///   - timeConstant: The time without a peak after which the old average has a weight of 1/e.
    @inlinable
    public static func updated(
        _ average: Int,
        with sample: Int,
        after elapsed: Int,
        timeConstant: Int = defaultTimeConstant
    ) -> Int {
        let sample = min(max(1, sample), maxTime)
        let average = min(average, maxTime)
        guard sample < average else { return sample }
        let kept = decay(over: elapsed, timeConstant: timeConstant)
        // Adding 0.5 before truncation rounds the value; `rounded()` is a call into libm.
        return sample &+ Int(Double(average &- sample) * kept + 0.5)
    }

    /// Returns e^(-elapsed / timeConstant), with an error below 10^-7.
    @inlinable
    static func decay(over elapsed: Int, timeConstant: Int) -> Double {
        guard timeConstant > 0, elapsed / 64 < timeConstant else { return 0 }
        // e^-x = (e^(-x / 256))^256, and e^y is approximately 1 + y + y²/2 + y³/6 for a small y. After 64 time
        // constants the result is negligible.
        let part = Double(max(0, elapsed)) / (256 * Double(timeConstant))
        var power = 1 / (1 + part * (1 + part * (0.5 + part / 6)))
        for _ in 0..<8 { power *= power }
        return power
    }
}
