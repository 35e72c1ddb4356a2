/// The saturation point of a ramp.
enum SaturationPoint {
    /// A step is sustained if at least this share of the requests due in it was answered, and its median latency is
    /// within one of the two limits below.
    static let answeredShare = 0.99
    /// Maximum ratio of a step's median latency to the lowest median of the sustained steps before it.
    static let slowdown = 5.0
    /// Median latency, in seconds, up to which a step is within its limits regardless of `slowdown`.
    static let harmless = 1e-3

    /// Decides for each step whether it was sustained.
    ///
    /// The median is used, since a target beyond its capacity is slow for every request, while a hiccup, which slows
    /// only a few, occurs at any rate. For the same reason the last sustained step counts, not the one before the first
    /// that was not sustained: a target beyond its capacity does not recover while the rate keeps rising.
    ///
    /// - Returns: the rate of the last sustained step; nil if there is none.
    static func judge(_ steps: inout [LoadTest.Report.Step]) -> Double? {
        var saturationPoint: Double?
        var least = Double.infinity
        for index in steps.indices {
            let step = steps[index]
            guard step.offered > 0, step.latency.count > 0 else { continue }
            let isAnswered = step.answered >= answeredShare * step.offered
            let isSwift = step.latency.p50 <= max(harmless, slowdown * least)
            steps[index].isSustained = isAnswered && isSwift
            if !steps[index].isSustained { continue }
            least = min(least, step.latency.p50)
            saturationPoint = step.offered
        }
        return saturationPoint
    }
}
