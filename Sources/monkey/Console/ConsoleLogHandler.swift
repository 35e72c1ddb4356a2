import Logging

/// The log handler of the command line; writes to standard output and standard error.
///
/// Loggers labeled ``ConsoleLabel/program`` and ``ConsoleLabel/metrics`` are the program's output: they write to
/// standard output, in the text format as the bare message. Options of their own enable their lines, so `--log-level`
/// does not affect them. All other loggers write to standard error. In JSON the lines have the same format on both.
struct ConsoleLogHandler: LogHandler {
    let label: String
    let console: Console
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, console: Console) {
        self.label = label
        self.console = console
        logLevel = ConsoleLabel.isOutput(label) ? .info : console.logLevel
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = LogLine(time: .now, level: event.level, label: label, message: event.message.description)
        line.metadata = metadata
        if let provided = metadataProvider?.get() { line.metadata.merge(provided) { $1 } }
        if let own = event.metadata { line.metadata.merge(own) { $1 } }
        if let error = event.error { line.metadata["error"] = "\(error)" }
        console.write(line)
    }
}

/// The labels of the loggers whose lines are the program's output.
enum ConsoleLabel {
    static let program = "monkey"
    static let metrics = "metrics"

    static func isOutput(_ label: String) -> Bool {
        label == program || label == metrics
    }
}
