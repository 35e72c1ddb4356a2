import ArgumentParser
import LoadBalancer
import Logging

/// Options for logging.
struct LoggingOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Option(ConfigurationFile.Settings.logLevel, named: "level")
    var logLevel: LogLevel

    @Option(ConfigurationFile.Settings.logFormat, named: "format")
    var logFormat: LogFormat
}

typealias LogLevel = ConfigurationFile.LogLevel
typealias LogFormat = ConfigurationFile.LogFormat

extension LogLevel {
    /// The level of swift-log.
    var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}
