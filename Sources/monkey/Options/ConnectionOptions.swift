import ArgumentParser
import LoadBalancer
import Sockets
import TCPProxy

/// Options for the number of connections and for their sockets.
struct ConnectionOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Option(ProxyConfiguration.Settings.threads)
    var threads: Int

    @Option(ProxyConfiguration.Settings.maxConnections)
    var maxConnections: Int?

    @Option(ListenerConfiguration.Settings.backlog)
    var backlog: Int

    @Option(ProxyConfiguration.Settings.engine, named: "engine")
    var engine: RelayEngine

    @Option(ProxyConfiguration.Settings.maxPipes)
    var maxPipes: Int?

    @Option(ListenerConfiguration.Settings.socketMode, .fileMode)
    var socketMode: Int?

    @Option(ListenerConfiguration.Settings.socketOwner, named: "user")
    var socketOwner: String?

    @Option(ListenerConfiguration.Settings.socketGroup, named: "group")
    var socketGroup: String?

    @Option(ListenerConfiguration.Settings.source, .hostAddress)
    var source: [InternetAddress]

    @Option(ConfigurationFile.Settings.resolver, .nameServer)
    var resolver: InternetAddress?

    @Option(ListenerConfiguration.Settings.keepAlive)
    var keepalive: Switchable<DurationValue>

    @Option(ListenerConfiguration.Settings.tcpUserTimeout)
    var tcpUserTimeout: Switchable<DurationValue>

    /// Resolver of the names of servers.
    var nameResolver: DNSResolver { DNSResolver(servers: resolver.map { [.internet($0)] } ?? []) }

    func apply(to configuration: inout ProxyConfiguration) {
        configuration.threads = threads
        configuration.maxConnections = maxConnections
        configuration.engine = engine
        configuration.maxPipes = maxPipes
    }

    func apply(to listener: inout ListenerConfiguration) {
        listener.backlog = backlog
        listener.socketFile.mode = socketMode
        listener.socketFile.owner = socketOwner
        listener.socketFile.group = socketGroup
        listener.sourceAddresses = source
        listener.keepAlive = keepalive.value.map { KeepAlive(interval: $0.duration) }
        listener.timeouts.user = tcpUserTimeout.value?.duration
    }
}

extension ValueReader where Value == InternetAddress {
    fileprivate static var nameServer: Self {
        Self(name: "ip:port") { text in try InternetAddress(nameServer: text) }
    }
}
