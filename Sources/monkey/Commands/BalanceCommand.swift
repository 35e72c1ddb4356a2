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

    @Argument(
        help: ArgumentHelp("Server addresses, each with optional comma-separated settings.", valueName: "servers"),
        transform: {
            try ServerArgument(parsing: $0)
        }
    )
    var servers: [ServerArgument]

    @OptionGroup(title: "Balancing")
    var balancing: BalancingOptions

    @OptionGroup(title: "Connections")
    var connections: ConnectionOptions

    @OptionGroup(title: "Clients")
    var accessPolicy: AccessControlOptions

    @OptionGroup(title: "Timeouts")
    var timeouts: TimeoutOptions

    @OptionGroup(title: "Shutdown")
    var shutdown: ShutdownOptions

    @OptionGroup(title: "Process")
    var privileges: PrivilegeOptions

    @OptionGroup(title: "Metrics")
    var admin: AdminOptions

    @OptionGroup(title: "Access log")
    var access: AccessLogOptions

    @OptionGroup(title: "Control")
    var adminAPI: AdminAPIOptions

    @OptionGroup(title: "Logging")
    var logging: LoggingOptions

    /// The name of the single pool in metrics and logs.
    private static let poolName = "servers"

    func validate() throws {
        if servers.isEmpty { throw ValidationError("no servers: write addresses such as 10.0.0.1:5432 10.0.0.2:5432") }
        if servers.allSatisfy(\.isBackup) {
            throw ValidationError("all servers are backups: remove backup from at least one")
        }
        for server in servers where server.address == ServerAddress(listen) {
            throw ValidationError("server \(server.address) is the proxy's own listening address: write another one")
        }
    }

    private var entries: [ServerSection] {
        servers.map { server in
            var entry = server.entry
            if let resolver = balancing.resolver { entry.resolver = DNSResolver(servers: [.internet(resolver)]) }
            return entry
        }
    }

    func run() async throws {
        try await logging.withConsole { console in
            let proxy = try await bind { () async throws(ProxyError) in
                let resolved = try await entries.resolved()
                var pool = balancing.pool(named: Self.poolName, servers: resolved)
                pool.proxyProtocol = accessPolicy.sendProxy.value
                return try await Proxy.bind(
                    listeners: [listener(at: listen, pool: Self.poolName)],
                    pools: [pool],
                    configuration: proxyConfiguration
                )
            }
            var settings = balancing.settings
            settings.resolution = PoolSettings.Resolution(
                of: entries,
                every: proxyConfiguration.resolveInterval
            )
            let poolController = PoolController(proxy, settings: [settings], logger: Logger(label: "pools"))
            let names = servers.map { "\($0.address)" }.joined(separator: ", ")
            try await serve(
                proxy,
                forwardingTo: "\(names) by \(balancing.policy.rawValue)",
                watchedBy: poolController,
                control: adminAPI.adminAPI ? AdminAPI(proxy: proxy, poolController: poolController) : nil,
                token: adminAPI.adminTokenFile,
                console
            )
        }
    }
}
