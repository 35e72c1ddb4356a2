/// A mean of times that rises at once to a peak, and comes down slowly (peak EWMA, as in Finagle).
///
/// So a server that has become slow is left at once, and is believed again only when it has been fast for a while.
public enum PeakAverage {
    /// The mean after a sample; all in nanoseconds.
    ///
    /// - Parameters:
    ///   - average: the mean so far, 0 if there is none yet.
    ///   - sample: what was measured now; at least 1 is counted.
    ///   - elapsed: since the sample before.
    ///   - timeConstant: after so long without a peak, the old mean counts 1/e (37 %) and the new samples the rest.
    @inlinable
    public static func updated(_ average: Int, with sample: Int, after elapsed: Int, timeConstant: Int) -> Int {
        let sample = max(1, sample)
        guard sample < average else { return sample }
        let kept = decay(over: elapsed, timeConstant: timeConstant)
        return max(1, sample &+ Int((Double(average &- sample) * kept).rounded()))
    }

    /// e^(-elapsed / timeConstant), to five digits.
    @inlinable
    static func decay(over elapsed: Int, timeConstant: Int) -> Double {
        guard timeConstant > 0, elapsed < 64 &* timeConstant else { return 0 }
        // e^-x = (e^(-x / 256))^256, and e^y is 1 + y + y²/2 + y³/6 for a small y. Sixty-four time constants leave nothing.
        let part = Double(max(0, elapsed)) / (256 * Double(timeConstant))
        var power = 1 / (1 + part * (1 + part * (0.5 + part / 6)))
        for _ in 0..<8 { power *= power }
        return power
    }
}
