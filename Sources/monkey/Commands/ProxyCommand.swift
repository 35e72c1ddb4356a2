import ArgumentParser
import EchoServer
import LoadBalancer
import Logging
import Sockets
import TCPProxy

/// The `monkey proxy` command: forwards each connection to one server.
struct ProxyCommand: AsyncParsableCommand, ServingCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "Forward TCP connections to a server.",
        discussion: """
            Bytes are forwarded unmodified, a FIN as a FIN and a reset as a reset. Addresses have the form \
            127.0.0.1:8080, [::1]:8080, example.com:80, :8080 (all interfaces) or unix:/run/app.sock; durations 500ms, \
            10s, 5m or 1h.

            Examples:
              monkey proxy 127.0.0.1:8080 echo
              monkey proxy :5432 db.internal:5432 --idle-timeout 1h --events
              monkey proxy unix:/run/front.sock 127.0.0.1:6379 --admin off

            After SIGINT or SIGTERM, connections may complete within --grace; a second signal resets them immediately.
            """
    )

    @Argument(ListenerConfiguration.Settings.listen, .address)
    var listen: ServiceAddress = .loopback(port: 8080)

    @Argument(CommandLineSettings.upstream, .upstream)
    var upstream: Upstream = CommandLineSettings.upstream.defaultValue

    @OptionGroup(title: "Connections") var connections: ConnectionOptions
    @OptionGroup(title: "Clients") var accessPolicy: AccessControlOptions
    @OptionGroup(title: "TLS") var tls: TLSOptions
    @OptionGroup(title: "Timeouts") var timeouts: TimeoutOptions
    @OptionGroup(title: "Shutdown") var shutdown: ShutdownOptions
    @OptionGroup(title: "Process") var privileges: PrivilegeOptions
    @OptionGroup(title: "Metrics") var admin: AdminOptions
    @OptionGroup(title: "Access log") var access: AccessLogOptions

    @OptionGroup(title: "Logging")
    var logging: LoggingOptions

    func validate() throws {
        try serving.checkRules(listen: listen)
        if case .address(let address) = upstream, address.normalized == listen.normalized {
            throw ValidationError("<upstream> \(address) is the proxy's own listening address: write another one")
        }
    }

    func run() async throws {
        try await logging.withConsole { console in
            switch upstream {
            case .address(let address):
                try await forward(to: address, console)
            case .echo:
                let echo = try await EchoServer.bind(.loopback(port: 0))
                let address = ServiceAddress.socket(echo.localAddress)
                try await withBackgroundService(echo.run) { try await forward(to: address, console) }
            }
        }
    }

    private var lookUp: Proxy.UpstreamLookup {
        guard serving.connections.resolver != nil else { return Resolver.addresses }
        let resolver = serving.connections.nameResolver
        return { address throws(ProxyError) in
            var entry = ServerSection()
            entry.address = ServerAddress(address)
            entry.resolver = resolver
            return try await [entry].resolved().map(\.address)
        }
    }

    /// Runs the proxy from binding to the end of the drain.
    private func forward(to address: ServiceAddress, _ console: Console) async throws {
        let activation = try serving.socketActivation()
        let tls = try serving.tls.load()
        let listener = serving.listener(at: listen, tls)
        let proxy = try await serving.bind { () async throws(ProxyError) in
            try await Proxy.bind(
                listener,
                to: address,
                proxyProtocol: serving.accessPolicy.sendProxy.value,
                tls: tls.pool?.loaded,
                serverProtocol: serving.tls.serverProtocol ?? .tcp,
                configuration: serving.proxyConfiguration,
                inherited: activation.listeners[SocketActivation.listenName],
                lookUp: lookUp
            )
        }
        try await serving.serve(
            proxy,
            forwardingTo: "\(address)\(upstream == .echo ? " (built-in echo server)" : "")",
            activation: activation,
            tls: tls,
            console
        )
    }
}
