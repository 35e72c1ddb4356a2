import ArgumentParser
import Logging

/// Options for logging.
struct LoggingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Minimum level of log messages on standard error.", valueName: "level"))
    var logLevel: LogLevel = .info

    @Option(help: ArgumentHelp("Format of output lines: plain text, or one JSON object per line.", valueName: "format"))
    var logFormat: LogFormat = .text
}

/// The levels of swift-log, from the most to the least verbose.
enum LogLevel: String, CaseIterable, ExpressibleByArgument {
    case trace, debug, info, notice, warning, error, critical

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

enum LogFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json
}
