/// Where a ramp became too much.
enum Knee {
    /// A step is borne if so much of what was due in it was answered,
    static let answeredShare = 0.99
    /// and its median is at most this many times the least of the steps before it,
    static let slowdown = 5.0
    /// or at most this long, in seconds.
    static let harmless = 1e-3

    /// Decides for each step whether it was borne.
    ///
    /// The median, since a target that is asked for more than it can bear is slow for every request; a hiccup, which makes
    /// a few slow, comes at any rate. For the same reason the last step that was borne counts, not the one before the first
    /// that was not: who is over the limit does not recover while the rate goes on rising.
    ///
    /// - Returns: the rate of the last step that was borne, nil if none was.
    static func judge(_ steps: inout [Report.Step]) -> Double? {
        var knee: Double?
        var least = Double.infinity
        for index in steps.indices {
            let step = steps[index]
            guard step.offered > 0, step.latency.count > 0 else { continue }
            let isAnswered = step.answered >= answeredShare * step.offered
            let isSwift = step.latency.p50 <= max(harmless, slowdown * least)
            steps[index].isBorne = isAnswered && isSwift
            if !steps[index].isBorne { continue }
            least = min(least, step.latency.p50)
            knee = step.offered
        }
        return knee
    }
}
