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
        abstract: "Spread TCP connections over several servers.",
        discussion: """
            A server that cannot be reached costs no connection: it goes on to another server, and one that fails too often \
            is left out for a while. A host name stands for all its addresses, and srv:_pg._tcp.db.example for the servers \
            that its SRV records tell. After its address a server may have settings: 10.0.0.2:5432,weight=2,max=100 or \
            db3:5432,backup.

            Examples:
              monkey balance :5432 10.0.0.1:5432 10.0.0.2:5432 10.0.0.3:5432,backup --check postgres
              monkey balance :6379 10.0.0.1:6379 10.0.0.2:6379 --policy least-connections --check redis --interval 1s
              monkey balance :80 web1:80,weight=3 web2:80 --policy maglev --check http:/healthz

            SIGINT or SIGTERM lets running connections end within --grace; a second signal resets them at once.
            """
    )

    @Argument(
        help: ArgumentHelp("Where to listen; port 0 takes a free one.", valueName: "listen"),
        transform: {
            try ServiceAddress(parsing: $0)
        }
    )
    var listen: ServiceAddress

    @Argument(
        help: ArgumentHelp("Servers: addresses, each with its settings after commas.", valueName: "servers"),
        transform: {
            try ServerArgument(parsing: $0)
        }
    )
    var servers: [ServerArgument]

    @Option(
        help: ArgumentHelp(
            "Name server that resolves the names of servers. (default: the system's resolver)",
            valueName: "ip:port"
        ),
        transform: { try InternetAddress(nameServer: $0) }
    )
    var resolver: InternetAddress?

    @OptionGroup(title: "Balancing")
    var balancing: BalancingOptions

    @OptionGroup(title: "Connections")
    var connections: ConnectionOptions

    @OptionGroup(title: "Clients")
    var entrance: EntranceOptions

    @OptionGroup(title: "Time-outs")
    var timeouts: TimeoutOptions

    @OptionGroup(title: "Shutdown")
    var shutdown: ShutdownOptions

    @OptionGroup(title: "Process")
    var owner: OwnerOptions

    @OptionGroup(title: "Metrics")
    var metrics: MetricsOptions

    @OptionGroup(title: "Access log")
    var access: AccessLogOptions

    @OptionGroup(title: "Control")
    var control: ControlOptions

    @OptionGroup(title: "Logging")
    var logging: LoggingOptions

    /// The name of the single pool in metrics and logs.
    private static let poolName = "servers"

    func validate() throws {
        if servers.isEmpty { throw ValidationError("write where the servers are, such as 10.0.0.1:5432 10.0.0.2:5432") }
        if servers.allSatisfy(\.isBackup) {
            throw ValidationError("all servers are backups: leave it out for one at least")
        }
        for server in servers where server.address == ServerAddress(listen) {
            throw ValidationError("server \(server.address) is where the proxy itself listens: write another address")
        }
    }

    private var entries: [ServerEntry] {
        servers.map { server in
            var entry = server.entry
            if let resolver { entry.resolver = NameResolver(servers: [.internet(resolver)]) }
            return entry
        }
    }

    func run() async throws {
        try await logging.withConsole { console in
            let proxy = try await bind { () async throws(ProxyError) in
                let resolved = try await entries.resolved()
                var pool = balancing.pool(named: Self.poolName, servers: resolved)
                pool.proxyProtocol = entrance.sendProxy
                return try await Proxy.bind(
                    listeners: [
                        ListenerConfiguration(
                            name: "\(listen)",
                            address: listen,
                            pool: Self.poolName,
                            configuration: proxyConfiguration
                        )
                    ],
                    pools: [pool],
                    configuration: proxyConfiguration
                )
            }
            var settings = balancing.settings
            settings.resolution = PoolSettings.Resolution(
                of: entries,
                every: proxyConfiguration.resolveInterval
            )
            let keeper = PoolKeeper(proxy, settings: [settings], logger: Logger(label: "pools"))
            let names = servers.map { "\($0.address)" }.joined(separator: ", ")
            try await serve(
                proxy,
                forwardingTo: "\(names) by \(balancing.policy.rawValue)",
                watchedBy: keeper,
                control: control.control ? Control(proxy: proxy, keeper: keeper) : nil,
                token: control.adminTokenFile,
                console
            )
        }
    }
}
