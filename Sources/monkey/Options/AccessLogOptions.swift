import ArgumentParser
import LoadBalancer
import Logging

/// Options of the access log.
struct AccessLogOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Option(ConfigurationFile.Settings.accessLog, named: "file")
    var accessLog: Switchable<String>

    @Option(ConfigurationFile.Settings.accessLogFormat, .accessLogFormat)
    var accessLogFormat: AccessLogFormat?

    func validate() throws {
        if accessLogFormat != nil, accessLog.value == nil {
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

extension ValueReader where Value == AccessLogFormat {
    static var accessLogFormat: Self { Self(name: "format") { text in try AccessLogFormat(parsing: text) } }
}
