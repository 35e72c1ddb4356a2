package import TCPProxy
import ValueFormats

/// Content of a configuration file: listeners, pools of servers and process-wide settings.
///
/// Only a valid file is converted, so callers need not check again: names are unique, the pool of a listener exists,
/// and values are in range. Conditions that depend on the system, such as whether a port is free, are not checked.
public struct ConfigurationFile: Sendable {
    /// See ``TCPProxy/ProxyConfiguration/threads``.
    package var threads = ProxyConfiguration().threads
    /// See ``TCPProxy/ProxyConfiguration/maxConnections``.
    package var maxConnections = ProxyConfiguration().maxConnections
    package var engine = ProxyConfiguration().engine
    /// See ``TCPProxy/ProxyConfiguration/maxPipes``.
    package var maxPipes = ProxyConfiguration().maxPipes
    package var grace = ProxyConfiguration().grace
    package var drainDelay = ProxyConfiguration().drainDelay
    /// User to switch to after all sockets are bound, by name or number; nil keeps the current user.
    package var user: String? = Settings.user.defaultValue
    /// nil uses the primary group of the user.
    package var group: String? = Settings.group.defaultValue
    /// File for the ID of the process; nil writes none.
    package var pidFile: String? = Settings.pidFile.defaultValue
    /// Address of the HTTP endpoint for metrics; nil disables it.
    package var admin: ServiceAddress? = Settings.admin.defaultValue
    /// Whether the HTTP endpoint also accepts commands to drain servers, close connections and reload this file.
    package var adminAPI = Settings.adminAPI.defaultValue
    /// File with the bearer token that the endpoint requires; nil requires none.
    package var adminTokenFile: String? = Settings.adminTokenFile.defaultValue
    /// The interval at which the files of certificates are checked for changes; nil does not.
    package var watchCertificates = Settings.watchCertificates.defaultValue
    /// Whether each connection event is written as a line to standard output.
    package var events = Settings.events.defaultValue
    package var summary = SummaryInterval(nil)
    /// File of the access log; `-` is standard output, nil disables the log.
    public var accessLog: String? = Settings.accessLog.defaultValue
    /// Format of the access log.
    public var accessLogFormat = Settings.accessLogFormat.defaultValue
    /// Name server that resolves the names of servers; nil uses the system resolver.
    package var resolver: InternetAddress? = Settings.resolver.defaultValue
    package var logLevel = Settings.logLevel.defaultValue
    package var logFormat = Settings.logFormat.defaultValue
    /// Paths of the files and folders whose keys were added to those of this file.
    package var include: [String] = Settings.include.defaultValue
    /// At least one, in file order.
    package var listeners: [ListenerSection] = []
    /// Limits that listeners share, in file order.
    package var limits: [LimitsSection] = []
    /// At least one, in file order.
    package var pools: [PoolSection] = []
    /// Positions of the values that are names of hosts.
    package private(set) var locations = Locations()
    /// Warnings: the file is valid, but probably does not have the intended effect.
    package private(set) var warnings: [Diagnostic] = []

    /// The warnings as text: one line each, such as `12:5: warning: pools.databases.queue: ...` with the line and the
    /// column.
    public var warningLines: [String] { warnings.map(\.description) }

    /// Creates a configuration with the defaults, without listeners and pools.
    public init() {}

    /// Maximum size of a file, in bytes.
    public static let maxBytes = 4 << 20
    /// Maximum number of problems that are reported.
    package static let maxProblems = 100
    package static let maxListeners = Proxy.maxListeners
    package static let maxPools = Proxy.maxPools
    package static let maxLimits = 1024
    /// Maximum number of servers in all pools together.
    package static let maxServersInAll = Proxy.maxServers
    /// Maximum number of servers per pool.
    package static let maxServers = PoolConfiguration.maxServers
    /// Maximum number of source addresses per listener.
    package static let maxSources = 64
    /// Maximum number of networks per list.
    package static let maxNetworks = AccessPolicy.Settings.maxNetworks
    /// Maximum number of certificates per listener.
    package static let maxCertificates = 10_000
    /// Maximum number of SNI patterns per listener.
    package static let maxSNIPatterns = 10_000

    /// Parses a file.
    ///
    /// - Parameters:
    ///   - bytes: YAML in UTF-8, at most ``maxBytes`` bytes.
    ///   - context: the environment and the files that the file refers to.
    /// - Throws: ``ConfigurationError`` with all errors and warnings.
    public init(parsing bytes: [UInt8], in context: Context = Context()) throws(ConfigurationError) {
        var diagnostics = Diagnostics()
        var reader = IncludeReader(context)
        self.init()
        if let text = Self.text(bytes, &diagnostics), let root = reader.parse(text, &diagnostics) {
            ObjectSchema.root.read(root, into: &self, &diagnostics)
            applyResolver()
            validate(root, &diagnostics)
            loadTLS(root, context, &diagnostics)
            locations = Locations(of: self, in: root)
        }
        guard !diagnostics.hasErrors else {
            throw ConfigurationError(diagnostics: diagnostics.sorted, suppressed: diagnostics.suppressed)
        }
        warnings = diagnostics.sorted
    }

    private mutating func applyResolver() {
        for pool in pools.indices {
            guard let resolver = pools[pool].resolver ?? resolver else { continue }
            for server in pools[pool].servers.indices {
                pools[pool].servers[server].resolver = DNSResolver(servers: [.internet(resolver)])
            }
        }
    }

    static func text(_ bytes: [UInt8], _ diagnostics: inout Diagnostics) -> String? {
        let start = SourceLocation(line: 1, column: 1)
        guard bytes.count <= maxBytes else {
            diagnostics.error(at: start, "the file has \(bytes.count) bytes: at most \(maxBytes) are allowed")
            return nil
        }
        // A byte order mark would shift the columns of the first line.
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let bytes = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let bad = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
        diagnostics.error(
            at: SourceLocation(line: bad + 1, column: 1),
            "this line is not UTF-8: save the file as UTF-8"
        )
        return nil
    }

    /// Log levels of swift-log, from most to least verbose.
    package enum LogLevel: String, CaseIterable, Sendable {
        case trace, debug, info, notice, warning, error, critical
    }

    package enum LogFormat: String, CaseIterable, Sendable {
        case text, json
    }
}
