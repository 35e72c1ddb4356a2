import Glibc
import Logging
import Notation

/// The program's two streams, and the form of what goes there.
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

    /// Makes this console the end of all loggers of the process; once in its life.
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

    /// A line as it is, to standard output.
    func write(plain line: String) {
        output.write(line)
    }

    /// The banner, where a person sees it.
    func greet() {
        guard format == .text, isatty(STDOUT_FILENO) == 1 else { return }
        output.write(Banner.text)
    }

    /// Waits until all is out, or nobody reads it.
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
                message: "\(count) lines were dropped, since \(name) was not read fast enough"
            )
            return format == .json ? line.json : line.text
        }
    }
}

extension LoggingOptions {
    /// Runs `body` with a console that takes what the process's loggers say; whatever the body's end, all is out after it.
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
