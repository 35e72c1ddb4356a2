import ArgumentParser
import LoadBalancer
import Logging
import ProcessSupport
import Sockets
import TCPProxy

/// The `monkey run` command: runs the listeners and pools of a configuration file.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the listeners and pools of a configuration file.",
        discussion: """
            The file defines listeners and server pools; docs/configuration.md describes its keys, and monkey check \
            reports its errors.

            Example:
              monkey run monkey.yaml

            SIGHUP reloads the file without closing connections; a file with errors changes nothing.

            After SIGINT or SIGTERM, connections may complete within the file's grace; a second signal resets them \
            immediately.
            """
    )

    @Argument(CommandLineSettings.file, named: "file")
    var file: String

    func run() async throws {
        let file = try read()
        var logging = LoggingOptions()
        logging.logLevel = file.logLevel
        logging.logFormat = file.logFormat
        try await logging.withConsole { console in
            let activation = try SocketActivation(
                listeners: file.listenerConfigurations.map(\.name),
                hasAdmin: file.admin != nil
            )
            let owner = try ProcessIdentity(user: file.user, group: file.group)
            let resolved = try await resolve(file)
            let proxy = try await Self.bind(file, resolved, activation)
            let poolController = PoolController(
                proxy,
                settings: resolved.settings,
                logger: Logger(label: "pools")
            )
            let reloader = ConfigurationReloader(
                file,
                resolved: resolved,
                named: name,
                proxy: proxy,
                poolController: poolController,
                logger: Logger(label: "reload"),
                context: context,
                read: readAgain
            )
            let admin = try await ProxyService.bindAdmin(
                at: file.admin,
                inherited: activation.admin,
                for: proxy,
                control: file.adminAPI
                    ? AdminAPI(proxy: proxy, poolController: poolController, reloader: reloader) : nil,
                token: file.adminTokenFile,
                fix: "admin: ADDRESS or off, admin-token-file: FILE, admin-api: false"
            )
            let served = ProxyService(
                proxy: proxy,
                poolController: poolController,
                reloader: reloader,
                certificates: reloader.certificates,
                certificateInterval: file.watchCertificates,
                admin: admin,
                accessLog: try AccessLog(at: file.accessLog, format: file.accessLogFormat, console),
                owner: owner,
                pidFile: file.pidFile,
                target: file.pools.map(\.name).joined(separator: ", "),
                logsEvents: file.events,
                summaryInterval: console.interval(of: file.summary)
            )
            try await served.serve(console, warnings: file.warnings.map { $0.line(in: name) })
        }
    }

    private func read() throws -> ConfigurationFile {
        let bytes =
            try file == "-"
            ? File.readStandardInput(maxBytes: ConfigurationFile.maxBytes)
            : File.read(file, maxBytes: ConfigurationFile.maxBytes)
        do {
            return try ConfigurationFile(parsing: bytes, in: context)
        } catch {
            let check = ConfigurationCheck(of: bytes, named: name, in: context)
            try File.write(Array(check.diagnostics.map { $0 + "\n" }.joined().utf8), to: 2)
            throw ExitCode(1)
        }
    }

    /// Resolves the names of the servers. Names that cannot be resolved are logged; an entry may require that it can.
    private func resolve(_ file: ConfigurationFile) async throws -> ResolvedPools {
        do {
            let resolved = try await file.resolved()
            let logger = Logger(label: "pools")
            for warning in resolved.warnings { logger.warning("\(warning.line(in: name))") }
            return resolved
        } catch {
            try File.write(Array(error.lines(in: name).map { $0 + "\n" }.joined().utf8), to: 2)
            throw ExitCode(1)
        }
    }

    private var context: ConfigurationFile.Context { ConfigurationFile.Context(of: file == "-" ? nil : file) }

    /// The name of the file in messages.
    private var name: String { file == "-" ? "standard input" : file }

    private var readAgain: @Sendable () throws -> [UInt8] {
        { [file] in
            guard file != "-" else {
                throw CommandError("cannot reload standard input: it can be read only once: run with a file instead")
            }
            return try File.read(file, maxBytes: ConfigurationFile.maxBytes)
        }
    }

    private static func bind(
        _ file: ConfigurationFile,
        _ resolved: ResolvedPools,
        _ activation: SocketActivation
    ) async throws -> Proxy {
        try await Proxy.bind(
            listeners: file.listenerConfigurations,
            pools: resolved.pools,
            configuration: file.process,
            inherited: activation.listeners
        )
    }
}
