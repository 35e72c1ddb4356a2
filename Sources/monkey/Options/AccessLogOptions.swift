import ArgumentParser
import LoadBalancer
import Logging

/// Options of the access log.
struct AccessLogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "File to which each connection is logged at its end, or - for standard output; SIGUSR1 reopens it.",
            valueName: "file"
        )
    )
    var accessLog: String?

    @Option(
        help: ArgumentHelp(
            "Format of its lines: text, json, or fields such as '{client} {server} {total_seconds}'. (default: text)",
            valueName: "format"
        ),
        transform: { try AccessLogFormat(parsing: $0) }
    )
    var accessLogFormat: AccessLogFormat?

    func validate() throws {
        if accessLogFormat != nil, accessLog == nil {
            throw ValidationError("--access-log-format has no effect without --access-log: add --access-log FILE")
        }
    }
}

extension AccessLog {
    /// Opens the access log; returns nil if `path` is nil.
    ///
    /// - Parameter path: the path of a file, or `-` for standard output.
    convenience init?(at path: String?, format: AccessLogFormat, _ console: Console) throws(AccessLogError) {
        guard let path else { return nil }
        let destination: Destination = path == "-" ? .lines { console.write(plain: $0) } : .file(path)
        try self.init(destination, format: format, logger: Logger(label: "access-log"))
    }
}
