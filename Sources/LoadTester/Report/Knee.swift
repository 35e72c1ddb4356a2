/// Where a ramp became too much.
enum Knee {
    /// A step is borne if so much of what was due in it was answered,
    static let answeredShare = 0.99
    /// and its 99th percentile is at most this many times the least of the steps before it,
    static let slowdown = 5.0
    /// or at most this long, in seconds.
    static let harmless = 1e-3

    /// Decides for each step whether it was borne: it and all before it.
    ///
    /// - Returns: the rate of the last step that was, nil if none was.
    static func judge(_ steps: inout [Report.Step]) -> Double? {
        var knee: Double?
        var least = Double.infinity
        var isOver = false
        for index in steps.indices {
            let step = steps[index]
            // At the foot of a ramp from 0 there may be nothing to judge.
            let isIdle = step.offered == 0 && !isOver
            let isAnswered = step.answered >= answeredShare * step.offered
            let isSwift = step.latency.p99 <= max(harmless, slowdown * least)
            isOver = isOver || !(isIdle || isAnswered && (isSwift || least == .infinity))
            steps[index].isBorne = !isOver
            if isOver || isIdle { continue }
            least = min(least, step.latency.p99)
            knee = max(knee ?? 0, step.offered)
        }
        return knee
    }
}
