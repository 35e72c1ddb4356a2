/// A mean of times that rises at once to a peak, and comes down slowly (peak EWMA, as in Finagle).
///
/// So a server that has become slow is left at once, and is believed again only when it has been fast for a while.
public enum PeakAverage {
    /// After so long without a peak the old mean counts 1/e (37 %), in nanoseconds, unless told otherwise: ten seconds.
    @inlinable public static var usualTimeConstant: Int { 10_000_000_000 }
    /// The longest time that is told from longer ones, in nanoseconds: a hundred days.
    @inlinable public static var longest: Int { 1 << 53 }

    /// The mean after a sample; all in nanoseconds.
    ///
    /// - Parameters:
    ///   - average: the mean so far, 0 if there is none yet.
    ///   - sample: what was measured now; less than 1 counts as 1.
    ///   - elapsed: since the sample before.
    ///   - timeConstant: after so long without a peak, the old mean counts 1/e and the new samples the rest.
    @inlinable
    public static func updated(
        _ average: Int,
        with sample: Int,
        after elapsed: Int,
        timeConstant: Int = usualTimeConstant
    ) -> Int {
        let sample = min(max(1, sample), longest)
        let average = min(average, longest)
        guard sample < average else { return sample }
        let kept = decay(over: elapsed, timeConstant: timeConstant)
        // Half is added, so that what is cut off rounds it: `rounded()` is a call of libm's.
        return sample &+ Int(Double(average &- sample) * kept + 0.5)
    }

    /// e^(-elapsed / timeConstant), wrong by less than a ten-millionth.
    @inlinable
    static func decay(over elapsed: Int, timeConstant: Int) -> Double {
        guard timeConstant > 0, elapsed / 64 < timeConstant else { return 0 }
        // e^-x = (e^(-x / 256))^256, and e^y is 1 + y + y²/2 + y³/6 for a small y. Sixty-four time constants leave nothing.
        let part = Double(max(0, elapsed)) / (256 * Double(timeConstant))
        var power = 1 / (1 + part * (1 + part * (0.5 + part / 6)))
        for _ in 0..<8 { power *= power }
        return power
    }
}
