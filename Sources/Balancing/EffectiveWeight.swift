/// The weight of a server as used by the policies: the configured weight times a factor such as that of slow start.
///
/// Weights are integers, so a weight of 1 could not increase gradually. All weights are therefore multiplied by
/// ``scale``; policies depend only on their ratios.
public enum EffectiveWeight {
    /// The effective weight that corresponds to a configured weight of 1.
    public static let scale = 256
    /// The maximum configured weight.
    public static let configuredLimit = 4096
    /// The maximum effective weight that a policy uses. Its products with connection counts or with a round-robin cycle
    /// stay far below 2^63.
    @inlinable public static var limit: Int { 1 << 20 }

    /// Returns the effective weight.
    ///
    /// - Parameters:
    ///   - configured: The configured weight. 0 means no new connections; values above ``configuredLimit`` are clamped.
    ///   - factor: The factor of slow start, 0 to 1.
    /// - Returns: The effective weight; 0 only if the configured weight is not positive.
    public static func of(_ configured: Int, factor: Double = 1) -> Int {
        guard configured > 0 else { return 0 }
        let full = Double(min(configured, configuredLimit) * scale)
        // A comparison with NaN is false, so NaN counts as 0.
        return factor > 0 ? max(1, Int(full * min(factor, 1))) : 1
    }
}
