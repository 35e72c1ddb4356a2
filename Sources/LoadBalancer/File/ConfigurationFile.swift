public import TCPProxy

/// What a configuration file says: listeners, pools of servers, and what is chosen for the whole process.
///
/// Only files without mistakes become one of these, so a reader need not check again: names are unique, a listener's pool
/// is there, values are in their ranges. What needs the machine, such as whether a port is free, is not checked.
public struct ConfigurationFile: Sendable {
    /// See ``TCPProxy/Configuration/threads``.
    public var threads = Configuration().threads
    /// See ``TCPProxy/Configuration/maxConnections``.
    public var maxConnections: Int?
    public var engine = Configuration().engine
    /// See ``TCPProxy/Configuration/maxPipes``.
    public var maxPipes: Int?
    public var grace = Configuration().grace
    public var drainDelay = Configuration().drainDelay
    /// Whom the process becomes when all is bound, by name or number; nil stays who it is.
    public var user: String?
    /// nil is the user's own.
    public var group: String?
    /// Where metrics are served over HTTP; nil is off.
    public var metrics: ServiceAddress? = .socket(.internet(InternetAddress(v4: 0x7F00_0001, port: 8998)))
    /// Whether servers can be drained, connections cut and this file be read anew over HTTP, where metrics are served.
    public var control = true
    /// The file with the token that is asked for there; nil asks for none.
    public var adminTokenFile: String?
    /// Whether each event of a connection is a line of standard output.
    public var events = false
    /// How often a line tells the totals; nil is off.
    public var summary: Duration? = .seconds(10)
    /// The file that gets a line for each connection; `-` is standard output, nil is none.
    public var accessLog: String?
    public var accessLogFormat = AccessLogFormat.text
    /// The name server that is asked what names of servers stand for; nil is the system's resolver.
    public var resolver: InternetAddress?
    public var logLevel = LogLevel.info
    public var logFormat = LogFormat.text
    /// At least one, in the order of the file.
    public var listeners: [ListenerEntry] = []
    /// At least one, in the order of the file.
    public var pools: [PoolEntry] = []
    /// What is not wrong, and should be known all the same.
    public private(set) var warnings: [Problem] = []

    /// With the defaults, and without listeners and pools.
    public init() {}

    /// The longest file, in bytes.
    public static let longest = 1 << 20
    /// How many problems are told.
    public static let mostProblems = 100
    public static let mostListeners = 1024
    public static let mostPools = 1024
    /// How many servers a pool may have.
    public static let mostServers = PoolConfiguration.mostServers
    /// How many local addresses a listener's connections may come from.
    public static let mostSources = 64
    /// How many networks a list may have.
    public static let mostNetworks = 10_000
    /// How many names of servers a listener may go by.
    public static let mostServerNames = 10_000

    /// Reads a file.
    ///
    /// - Parameter bytes: YAML in UTF-8, ``longest`` bytes at most.
    /// - Throws: ``ConfigurationError`` with all that is wrong.
    public init(parsing bytes: [UInt8]) throws(ConfigurationError) {
        var problems = Problems()
        self.init()
        if let text = Self.text(bytes, &problems), let root = YAMLDocument.read(text, problems: &problems) {
            Section.root.read(root, into: &self, &problems)
            applyResolver()
            checkTogether(root, &problems)
        }
        guard !problems.hasErrors else {
            throw ConfigurationError(problems: problems.sorted, untold: problems.untold)
        }
        warnings = problems.sorted
    }

    private mutating func applyResolver() {
        guard let resolver else { return }
        for pool in pools.indices {
            for server in pools[pool].servers.indices {
                pools[pool].servers[server].resolver = NameResolver(servers: [.internet(resolver)])
            }
        }
    }

    private static func text(_ bytes: [UInt8], _ problems: inout Problems) -> String? {
        let start = Position(line: 1, column: 1)
        guard bytes.count <= longest else {
            problems.error(at: start, "the file has \(bytes.count) bytes: \(longest) are allowed")
            return nil
        }
        // A byte order mark would put the first line's keys into another column than the rest.
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let bytes = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let bad = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
        problems.error(at: Position(line: bad + 1, column: 1), "this line is not UTF-8: save the file in that encoding")
        return nil
    }

    /// The levels of swift-log, from all to next to nothing.
    public enum LogLevel: String, CaseIterable, Sendable {
        case trace, debug, info, notice, warning, error, critical
    }

    public enum LogFormat: String, CaseIterable, Sendable {
        case text, json
    }
}
