import Glibc

/// Statistics over several rounds.
enum Statistics {
    /// Returns the geometric mean, which is 0 if one of the values is; nil if there are none or one is missing.
    ///
    /// The ratio of two geometric means is the geometric mean of the ratios, so dividing the two means gives
    /// the result of ``ratio(of:)``.
    static func geometricMean(_ values: [Double?]) -> Double? {
        let present = values.compactMap { $0 }
        guard !present.isEmpty, present.count == values.count else { return nil }
        guard present.allSatisfy({ $0 > 0 }) else { return 0 }
        return exp(present.reduce(0) { $0 + log($1) } / Double(present.count))
    }

    /// Returns the mean ratio of the second of each pair to the first, and its 95% confidence interval.
    ///
    /// Ratios multiply, so their logarithms are averaged; both values of a pair are of one round, so changes between
    /// rounds cancel out. The interval is Student's (Student, "The Probable Error of a Mean", 1908): it assumes that
    /// the logarithms are normally distributed, which a few rounds can neither confirm nor refute.
    ///
    /// - Parameter pairs: at least one pair of numbers above 0.
    static func ratio(of pairs: [(Double, Double)]) -> (ratio: Double, interval: ClosedRange<Double>?) {
        let logarithms = pairs.map { log($0.1 / $0.0) }
        let count = Double(logarithms.count)
        let mean = logarithms.reduce(0, +) / count
        guard logarithms.count > 1 else { return (exp(mean), nil) }
        let squares = logarithms.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let error = (squares / (count - 1) / count).squareRoot()
        let width = quantile(degreesOfFreedom: logarithms.count - 1) * error
        return (exp(mean), exp(mean - width)...exp(mean + width))
    }

    /// Returns the 97.5% quantile of Student's t distribution, from a table; beyond 30 degrees of freedom it hardly
    /// changes.
    static func quantile(degreesOfFreedom: Int) -> Double {
        let table = [
            12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
            2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
        ]
        return table[min(max(1, degreesOfFreedom), table.count) - 1]
    }
}
