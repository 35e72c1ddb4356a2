import ArgumentParser
import LoadBalancer
import Logging
import ProcessSupport
import Sockets
import TCPProxy

/// A command that runs a proxy until it is stopped.
///
/// Each such command declares these groups itself: a debug build of the parser validates a group five times for each level
/// that it is nested in, so a group of these groups would multiply the time in which `monkey proxy` starts.
protocol ServingCommand {
    var connections: ConnectionOptions { get }
    var accessPolicy: AccessControlOptions { get }
    var tls: TLSOptions { get }
    var timeouts: TimeoutOptions { get }
    var shutdown: ShutdownOptions { get }
    var privileges: PrivilegeOptions { get }
    var admin: AdminOptions { get }
    var access: AccessLogOptions { get }
}

extension ServingCommand {
    var serving: ServingOptions {
        ServingOptions(
            connections: connections,
            accessPolicy: accessPolicy,
            tls: tls,
            timeouts: timeouts,
            shutdown: shutdown,
            privileges: privileges,
            admin: admin,
            access: access
        )
    }
}

/// The options of the commands that run a proxy until it is stopped, with the functions that they share.
struct ServingOptions {
    let connections: ConnectionOptions
    let accessPolicy: AccessControlOptions
    let tls: TLSOptions
    let timeouts: TimeoutOptions
    let shutdown: ShutdownOptions
    let privileges: PrivilegeOptions
    let admin: AdminOptions
    let access: AccessLogOptions
}

extension ServingOptions {
    /// The listener at an address, with the settings of the options.
    ///
    /// - Parameters:
    ///   - pool: name of its pool; not needed with one upstream.
    ///   - loaded: the files of TLS.
    func listener(
        at address: ServiceAddress,
        pool: String = "",
        _ loaded: TLSOptions.Loaded = TLSOptions.Loaded()
    ) -> ListenerConfiguration {
        var listener = ListenerConfiguration(address: address, pool: pool)
        connections.apply(to: &listener)
        timeouts.apply(to: &listener)
        accessPolicy.apply(to: &listener)
        tls.apply(loaded, to: &listener)
        listener.applySocketFileDefaults(user: privileges.user, group: privileges.group)
        return listener
    }

    var proxyConfiguration: ProxyConfiguration {
        var configuration = ProxyConfiguration()
        connections.apply(to: &configuration)
        timeouts.apply(to: &configuration)
        shutdown.apply(to: &configuration)
        configuration.dropsPrivileges = ProcessIdentity.dropsPrivileges(user: privileges.user)
        configuration.recordsConnections = access.accessLog.value != nil
        return configuration
    }

    /// Binds a proxy; reports an error in terms of the command line.
    func bind(_ bind: () async throws(ProxyError) -> Proxy) async throws -> Proxy {
        do throws(ProxyError) {
            return try await bind()
        } catch {
            throw explanation(of: error)
        }
    }

    /// Returns the sockets of the service manager: `listen` and `admin`.
    func socketActivation() throws(CommandError) -> SocketActivation {
        try SocketActivation(listeners: [SocketActivation.listenName], hasAdmin: admin.admin.value != nil)
    }

    /// Runs the proxy, from the first log line to the end of the drain.
    ///
    /// - Parameters:
    ///   - activation: the sockets of the service manager.
    ///   - target: the description of the upstream or the servers in log lines.
    ///   - poolController: the controller of the pools; nil for a single upstream.
    ///   - control: the control operations over HTTP; nil disables them.
    ///   - token: the path of the token file of the admin endpoint.
    ///   - loaded: the files of TLS.
    ///   - warnings: warnings about the options.
    func serve(
        _ proxy: Proxy,
        forwardingTo target: String,
        activation: SocketActivation,
        watchedBy poolController: PoolController? = nil,
        control: AdminAPI? = nil,
        token: String? = nil,
        tls loaded: TLSOptions.Loaded,
        warnings: [String] = [],
        _ console: Console
    ) async throws {
        let adminServer = try await ProxyService.bindAdmin(
            at: admin.admin.value,
            inherited: activation.admin,
            for: proxy,
            control: control,
            token: token,
            fix: control == nil
                ? "--admin ADDRESS, or --admin off"
                : "--admin ADDRESS or off, --admin-token-file FILE, --no-admin-api"
        )
        let served = ProxyService(
            proxy: proxy,
            poolController: poolController,
            certificates: CertificateReloader(loaded.sources(of: proxy), proxy: proxy, logger: Logger(label: "tls")),
            certificateInterval: tls.watchCertificates.value?.duration,
            admin: adminServer,
            accessLog: try AccessLog(
                at: access.accessLog.value,
                format: access.accessLogFormat ?? ConfigurationFile.Settings.accessLogFormat.defaultValue,
                console
            ),
            owner: try ProcessIdentity(user: privileges.user, group: privileges.group),
            pidFile: privileges.pidFile,
            target: target,
            logsEvents: admin.events,
            summaryInterval: console.interval(of: admin.summaryInterval)
        )
        try await served.serve(console, warnings: warnings + ruleWarnings + loaded.warnings)
    }

    /// Validates the options that the file's rules concern, as the configuration file does.
    ///
    /// - Throws: `ValidationError`.
    func checkRules(listen: ServiceAddress) throws {
        if let admin = admin.admin.value, admin.port != 0,
            let conflict = ConfigurationRules.conflict(of: listen, with: admin, of: "--admin")
        {
            throw ValidationError("<listen> \(listen): \(conflict)")
        }
        var isUnix = false
        if case .socket(.unix) = listen { isUnix = true }
        if !isUnix, !accessPolicy.trustedProxies.isEmpty,
            accessPolicy.trustedProxies.allSatisfy({ $0 == .unix })
        {
            throw ValidationError(
                "--trusted-proxies unix applies to a listener at a Unix socket: add networks of proxies, such as "
                    + "--trusted-proxies 10.0.0.0/8"
            )
        }
        let lists = [
            ("networks in --allow", accessPolicy.allow.count, ConfigurationFile.maxNetworks),
            ("networks in --deny", accessPolicy.deny.count, ConfigurationFile.maxNetworks),
            ("networks in --trusted-proxies", accessPolicy.trustedProxies.count, ConfigurationFile.maxNetworks),
            ("addresses in --source", connections.source.count, ConfigurationFile.maxSources),
        ]
        for (noun, count, max) in lists {
            if let problem = ConfigurationRules.tooMany(noun, count, max: max) { throw ValidationError(problem) }
        }
    }

    /// Warnings about the listener's options, as the configuration file reports them.
    var ruleWarnings: [String] {
        var listener = ListenerConfiguration(address: .loopback(port: 0))
        timeouts.apply(to: &listener)
        accessPolicy.apply(to: &listener)
        return [
            ConfigurationRules.deadlineWarning(listener.timeouts),
            ConfigurationRules.jitterWarning(listener.timeouts),
            ConfigurationRules.dryRunWarning(listener.accessPolicy),
        ].compactMap { $0 }
    }

    /// Returns the error to report, in terms of the command line if it concerns a setting.
    func explanation(of error: ProxyError) -> any Error {
        switch error {
        case .address, .badSetting, .loop:
            ValidationError(error.description)
        case .descriptorLimit(let limit, let wanted, let connections) where self.connections.maxConnections != nil:
            CommandError(
                "--max-connections \(connections) needs \(wanted) descriptors, and the limit is \(limit): "
                    + "raise the limit (ulimit -n), or lower --max-connections"
            )
        default:
            error
        }
    }
}
