import ArgumentParser
import Balancing
import LoadBalancer
import Logging
import Sockets
import TCPProxy

/// The `monkey balance` command: distributes connections over several servers.
struct BalanceCommand: AsyncParsableCommand, ServingCommand {
    static let configuration = CommandConfiguration(
        commandName: "balance",
        abstract: "Balance TCP connections across several servers.",
        discussion: """
            If a server cannot be reached, another one is tried; a server that fails too often is ejected for a while. \
            A host name stands for all its addresses, and srv:_pg._tcp.db.example for the servers in its SRV records. \
            An address may be followed by settings: 10.0.0.2:5432,weight=2,max=100 or db3:5432,backup.

            Examples:
              monkey balance :5432 10.0.0.1:5432 10.0.0.2:5432 10.0.0.3:5432,backup --check postgres
              monkey balance :6379 10.0.0.1:6379 10.0.0.2:6379 --policy least-connections --check redis --check-interval 1s
              monkey balance :80 web1:80,weight=3 web2:80 --policy maglev --check http:/healthz

            After SIGINT or SIGTERM, connections may complete within --grace; a second signal resets them immediately.
            """
    )

    @Argument(ListenerConfiguration.Settings.listen, .address)
    var listen: ServiceAddress

    @Argument(CommandLineSettings.servers, .server)
    var servers: [ServerArgument]

    @OptionGroup(title: "Balancing")
    var balancing: BalancingOptions

    @OptionGroup(title: "Connections") var connections: ConnectionOptions
    @OptionGroup(title: "Clients") var accessPolicy: AccessControlOptions
    @OptionGroup(title: "TLS") var tls: TLSOptions
    @OptionGroup(title: "Timeouts") var timeouts: TimeoutOptions
    @OptionGroup(title: "Shutdown") var shutdown: ShutdownOptions
    @OptionGroup(title: "Process") var privileges: PrivilegeOptions
    @OptionGroup(title: "Metrics") var admin: AdminOptions
    @OptionGroup(title: "Access log") var access: AccessLogOptions

    @OptionGroup(title: "Control")
    var adminAPI: AdminAPIOptions

    @OptionGroup(title: "Logging")
    var logging: LoggingOptions

    /// The name of the single pool in metrics and logs.
    private static let poolName = "servers"

    func validate() throws {
        if servers.isEmpty { throw ValidationError("no servers: write addresses such as 10.0.0.1:5432 10.0.0.2:5432") }
        try serving.checkRules(listen: listen)
        if let problem = ConfigurationRules.tooMany("servers", servers.count, max: ConfigurationFile.maxServers) {
            throw ValidationError(problem)
        }
        let entries = entries
        if let problem = ConfigurationRules.unusableServers(entries) { throw ValidationError(problem) }
        if let duplicate = ConfigurationRules.duplicates(in: entries.map { ($0.address, $0.name) }).first {
            throw ValidationError(duplicate.text(firstAt: "as argument \(duplicate.first + 1) of the servers"))
        }
        for server in servers where server.address.normalized == ServerAddress(listen).normalized {
            throw ValidationError("server \(server.address) is the proxy's own listening address: write another one")
        }
        try balancing.checkCheckOptions()
    }

    var warnings: [String] {
        let queue = balancing.isQueueGiven ? balancing.queueLimit : 0
        let check = balancing.settings.check
        return [
            ConfigurationRules.queueWarning(limit: queue, balancing.onAllDown, entries),
            ConfigurationRules.disabledQueueWarning(limit: balancing.queueLimit, balancing.onAllDown),
            balancing.latencyWarning,
            ConfigurationRules.slowStartWarning(balancing.slowStart.value?.duration, balancing.policy),
            check.flatMap { check in
                ConfigurationRules.timeoutWarning(balancing.checkTimeout?.duration, interval: check.interval)
            },
        ].compactMap { $0 }
    }

    private var entries: [ServerSection] {
        servers.map { server in
            var entry = server.entry
            entry.resolver = serving.connections.nameResolver
            return entry
        }
    }

    func run() async throws {
        try await logging.withConsole { console in
            var settings = balancing.settings
            let activation = try serving.socketActivation()
            let tls = try serving.tls.load()
            if tls.pool == nil, balancing.checkTLS == .on {
                // Fails if the system has no authorities that the checks could verify servers with.
                _ = try PoolTLSSection().load(in: ConfigurationFile.Context())
            }
            let listener = serving.listener(at: listen, pool: Self.poolName, tls)
            let proxy = try await serving.bind { () async throws(ProxyError) in
                let resolved = try await entries.resolved(every: serving.proxyConfiguration.resolveInterval)
                settings.resolution = resolved.resolution
                let logger = Logger(label: "pools")
                for failure in resolved.answer.failures { logger.warning("Name not resolved: \(failure)") }
                var pool = balancing.pool(named: Self.poolName, servers: resolved.answer.servers)
                pool.proxyProtocol = serving.accessPolicy.sendProxy.value
                pool.tls = tls.pool?.loaded
                pool.connectionProtocol = serving.tls.serverProtocol ?? .tcp
                return try await Proxy.bind(
                    listeners: [listener],
                    pools: [pool],
                    configuration: serving.proxyConfiguration,
                    inherited: activation.listeners.isEmpty
                        ? [:] : [listener.name: activation.listeners[SocketActivation.listenName]!]
                )
            }
            let poolController = PoolController(proxy, settings: [settings], logger: Logger(label: "pools"))
            let names = servers.map { "\($0.address)" }.joined(separator: ", ")
            try await serving.serve(
                proxy,
                forwardingTo: "\(names) by \(balancing.policy.rawValue)",
                activation: activation,
                watchedBy: poolController,
                control: adminAPI.adminAPI ? AdminAPI(proxy: proxy, poolController: poolController) : nil,
                token: adminAPI.adminTokenFile,
                tls: tls,
                warnings: warnings,
                console
            )
        }
    }
}
