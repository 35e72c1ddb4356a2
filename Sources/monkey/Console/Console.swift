import Glibc
import LoadBalancer
import Logging
import ValueFormats

/// The program's standard output and standard error, and their format.
final class Console: Sendable {
    let format: LogFormat
    let logLevel: Logger.Level
    private let output: LineWriter
    private let errors: LineWriter

    init(format: LogFormat, logLevel: Logger.Level) {
        self.format = format
        self.logLevel = logLevel
        output = Self.writer(to: STDOUT_FILENO, named: "standard output", format: format)
        errors = Self.writer(to: STDERR_FILENO, named: "standard error", format: format)
    }

    /// Installs this console as the log handler of the process; once per process.
    func bootstrap() {
        LoggingSystem.bootstrap { label in ConsoleLogHandler(label: label, console: self) }
    }

    func write(_ line: LogLine) {
        let writer = ConsoleLabel.isOutput(line.label) ? output : errors
        switch format {
        case .json: writer.write(line.json)
        case .text: writer.write(ConsoleLabel.isOutput(line.label) ? line.bare : line.text)
        }
    }

    /// Writes a line unchanged to standard output.
    func write(plain line: String) {
        output.write(line)
    }

    /// Prints the banner if standard output is a terminal and the format is text.
    func printBanner() {
        guard format == .text, isTerminal else { return }
        output.write(Banner.text)
    }

    /// Returns the interval of the line with the totals; nil if it is not written.
    func interval(of summary: SummaryInterval) -> Duration? { summary.interval(isTerminal: isTerminal) }

    private var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Waits until all lines are written or the time limit of ``LineWriter/flush(within:)`` expires.
    func flush() async {
        async let output: Void = output.flush()
        async let errors: Void = errors.flush()
        _ = await (output, errors)
    }

    private static func writer(to descriptor: Int32, named name: String, format: LogFormat) -> LineWriter {
        LineWriter(descriptor: descriptor) { count in
            let line = LogLine(
                time: .now,
                level: .warning,
                label: "console",
                message: "\(count) lines were dropped because \(name) was not read fast enough"
            )
            return format == .json ? line.json : line.text
        }
    }
}

extension LoggingOptions {
    /// Runs `body` with a console that handles all log lines of the process; flushes it afterwards, also if `body`
    /// throws.
    func withConsole(_ body: (Console) async throws -> Void) async throws {
        let console = Console(format: logFormat, logLevel: logLevel.level)
        console.bootstrap()
        do {
            try await body(console)
        } catch {
            await console.flush()
            throw error
        }
        await console.flush()
    }
}
