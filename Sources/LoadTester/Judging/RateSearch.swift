/// Looks for the highest rate that keeps a condition, by halves. Pure: it is told how each try went.
struct RateSearch: Sendable {
    /// The highest rate that was tried and kept it; 0 before one did.
    private(set) var kept: Double
    /// The lowest that did not, or that is taken not to.
    private(set) var broken: Double
    private(set) var tries = 0
    private let precision: Double
    private let limit: Int

    /// - Parameters:
    ///   - kept: a rate that needs no try, or 0.
    ///   - broken: a rate that is too high, or is not to be exceeded.
    ///   - precision: it is over when the two are this part of the upper one apart.
    ///   - limit: of tries.
    init(kept: Double = 0, broken: Double, precision: Double = 0.02, limit: Int = 12) {
        self.kept = kept
        self.broken = broken
        self.precision = precision
        self.limit = limit
    }

    /// The rate to try next; nil when it is over.
    var next: Double? {
        guard tries < limit, broken - kept > precision * broken else { return nil }
        return (kept + broken) / 2
    }

    /// How the try of ``next`` went.
    mutating func note(isKept: Bool) {
        guard let rate = next else { return }
        tries += 1
        if isKept { kept = rate } else { broken = rate }
    }
}
