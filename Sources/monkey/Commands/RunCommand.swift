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

    @Argument(help: ArgumentHelp("Configuration file, or - for standard input.", valueName: "file"))
    var file: String

    func run() async throws {
        let file = try read()
        var logging = LoggingOptions()
        logging.logLevel = file.logLevel
        logging.logFormat = file.logFormat
        try await logging.withConsole { console in
            let owner = try ProcessIdentity(user: file.user, group: file.group)
            let proxy = try await Self.bind(file)
            let poolController = PoolController(
                proxy,
                settings: file.poolSettings,
                logger: Logger(label: "pools")
            )
            let reloader = ConfigurationReloader(
                file,
                named: name,
                proxy: proxy,
                poolController: poolController,
                logger: Logger(label: "reload"),
                read: readAgain
            )
            let admin = try await ProxyService.bindAdmin(
                at: file.admin,
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
                admin: admin,
                accessLog: try AccessLog(at: file.accessLog, format: file.accessLogFormat, console),
                owner: owner,
                target: file.pools.map(\.name).joined(separator: ", "),
                logsEvents: file.events,
                summaryInterval: file.summary
            )
            try await served.serve(console)
        }
    }

    private func read() throws -> ConfigurationFile {
        let bytes = try File.read(file == "-" ? "/dev/stdin" : file, longest: ConfigurationFile.longest)
        do {
            return try ConfigurationFile(parsing: bytes)
        } catch {
            let check = ConfigurationCheck(of: bytes, named: name)
            try File.write(Array(check.diagnostics.map { $0 + "\n" }.joined().utf8), to: 2)
            throw ExitCode(1)
        }
    }

    /// The name of the file in messages.
    private var name: String { file == "-" ? "standard input" : file }

    private var readAgain: @Sendable () throws -> [UInt8] {
        { [file] in
            guard file != "-" else {
                throw CommandError("cannot reload standard input: it can be read only once: run with a file instead")
            }
            return try File.read(file, longest: ConfigurationFile.longest)
        }
    }

    private static func bind(_ file: ConfigurationFile) async throws -> Proxy {
        try await Proxy.bind(
            listeners: file.listenerConfigurations,
            pools: try await file.resolvedPools(),
            configuration: file.process
        )
    }
}
