/// A binary search for the highest rate at which a condition holds. Pure: the caller runs the tries and reports
/// results.
struct RateSearch: Sendable {
    /// The highest rate known to keep the condition; 0 before the first success.
    private(set) var kept: Double
    /// The lowest rate that failed, or the upper bound.
    private(set) var broken: Double
    private(set) var tries = 0
    private let precision: Double
    private let limit: Int

    /// - Parameters:
    ///   - kept: a rate that needs no try, or 0.
    ///   - broken: a rate that is too high, or the upper bound.
    ///   - precision: the search ends when the two rates differ by at most this fraction of the upper one.
    ///   - limit: maximum number of tries.
    init(kept: Double = 0, broken: Double, precision: Double = 0.02, limit: Int = 12) {
        self.kept = kept
        self.broken = broken
        self.precision = precision
        self.limit = limit
    }

    /// The rate to try next; nil if the search is over.
    var next: Double? {
        guard tries < limit, broken - kept > precision * broken else { return nil }
        return (kept + broken) / 2
    }

    /// Records the result of trying ``next``.
    mutating func note(isKept: Bool) {
        guard let rate = next else { return }
        tries += 1
        if isKept { kept = rate } else { broken = rate }
    }
}
