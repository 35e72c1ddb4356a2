import Balancing
import ValueFormats

/// Outlier ejection: when a server is taken out of selection because client connection attempts to it fail, and for how
/// long.
public struct EjectionSettings: Sendable, Equatable {
    /// Number of consecutive failures that ejects a server; nil disables this criterion.
    public var consecutiveFailures: Int? = Settings.consecutiveFailures.defaultValue
    /// Percentage of failed attempts within the window that ejects a server; nil disables this criterion.
    public var failureRate: Int? = Settings.failureRate.defaultValue
    /// Length of the window of ``failureRate``.
    public var window: Duration = Settings.window.defaultValue
    /// Minimum number of attempts within the window for ``failureRate`` to apply.
    public var minAttempts = Settings.minAttempts.defaultValue
    /// Duration of the first ejection; each further one lasts twice as long as the one before.
    public var baseTime: Duration = Settings.baseTime.defaultValue
    /// Maximum duration of an ejection.
    public var maxTime: Duration = Settings.maxTime.defaultValue
    /// Maximum percentage of a pool's servers that are ejected at the same time, 0 to 100. From 1 on, one server may
    /// always be ejected if the pool has another.
    public var maxPercentEjected = Settings.maxPercent.defaultValue

    /// Creates the default settings.
    public init() {}

    var limits: FailureWindow.Limits {
        FailureWindow.Limits(
            consecutive: consecutiveFailures,
            percent: failureRate,
            minAttempts: minAttempts,
            window: window.clampedNanoseconds
        )
    }

    var budget: EjectionBudget { EjectionBudget(percent: maxPercentEjected) }
}
