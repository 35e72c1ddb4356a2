/// A server's weight as policies see it: what is configured, times a factor such as slow start's.
///
/// Weights are whole numbers, and one of 1 could not grow slowly. So all are counted in parts of ``scale``; only their
/// ratios matter to a policy.
public enum EffectiveWeight {
    /// The parts of a configured weight of 1.
    public static let scale = 256
    /// The most that a configured weight can be.
    public static let configuredLimit = 4096
    /// The most that a policy takes an effective weight for. Products of it with connections or with a round-robin's
    /// cycle stay far below 2^63.
    @inlinable public static var limit: Int { 1 << 20 }

    /// - Parameters:
    ///   - configured: 0 takes no new connections; more than ``configuredLimit`` counts as that.
    ///   - factor: of slow start, 0 to 1.
    /// - Returns: 0 only for a configured 0.
    public static func of(_ configured: Int, factor: Double = 1) -> Int {
        guard configured > 0 else { return 0 }
        let full = Double(min(configured, configuredLimit) * scale)
        // Nothing is greater than what is no number, so that counts as 0 here.
        return factor > 0 ? max(1, Int(full * min(factor, 1))) : 1
    }
}
