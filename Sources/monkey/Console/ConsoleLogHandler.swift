import Logging

/// Where the command line's loggers end: lines on standard output and standard error.
///
/// Loggers labelled ``ConsoleLabel/program`` and ``ConsoleLabel/metrics`` are the program's output and come out on standard
/// output, in text as the bare message; their lines are asked for by options of their own, so `--log-level` does not
/// concern them. All others are its log and come out on standard error. In JSON each line has the same form on both.
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

/// The labels of the loggers that speak to whoever started the program.
enum ConsoleLabel {
    static let program = "monkey"
    static let metrics = "metrics"

    static func isOutput(_ label: String) -> Bool {
        label == program || label == metrics
    }
}
