import ArgumentParser
import LoadBalancer
import ProcessSupport
import Sockets
import TCPProxy

/// A command that runs a proxy until it is stopped.
protocol ServingCommand {
    var connections: ConnectionOptions { get }
    var accessPolicy: AccessControlOptions { get }
    var timeouts: TimeoutOptions { get }
    var shutdown: ShutdownOptions { get }
    var admin: AdminOptions { get }
    var access: AccessLogOptions { get }
    var privileges: PrivilegeOptions { get }
}

extension ServingCommand {
    /// The listener at an address, with the settings of the options.
    ///
    /// - Parameter pool: name of its pool; not needed with one upstream.
    func listener(at address: ServiceAddress, pool: String = "") -> ListenerConfiguration {
        var listener = ListenerConfiguration(address: address, pool: pool)
        connections.apply(to: &listener)
        timeouts.apply(to: &listener)
        accessPolicy.apply(to: &listener)
        return listener
    }

    var proxyConfiguration: ProxyConfiguration {
        var configuration = ProxyConfiguration()
        connections.apply(to: &configuration)
        timeouts.apply(to: &configuration)
        shutdown.apply(to: &configuration)
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

    /// Runs the proxy, from the first log line to the end of the drain.
    ///
    /// - Parameters:
    ///   - target: the description of the upstream or the servers in log lines.
    ///   - poolController: the controller of the pools; nil for a single upstream.
    ///   - control: the control operations over HTTP; nil disables them.
    ///   - token: the path of the token file of the admin endpoint.
    func serve(
        _ proxy: Proxy,
        forwardingTo target: String,
        watchedBy poolController: PoolController? = nil,
        control: AdminAPI? = nil,
        token: String? = nil,
        _ console: Console
    ) async throws {
        let adminServer = try await ProxyService.bindAdmin(
            at: admin.admin.value,
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
            admin: adminServer,
            accessLog: try AccessLog(
                at: access.accessLog.value,
                format: access.accessLogFormat ?? ConfigurationFile.Settings.accessLogFormat.defaultValue,
                console
            ),
            owner: try ProcessIdentity(user: privileges.user, group: privileges.group),
            target: target,
            logsEvents: admin.events,
            summaryInterval: admin.summary.value?.duration
        )
        try await served.serve(console)
    }

    /// Returns the error to report, in terms of the command line if it concerns a setting.
    func explanation(of error: ProxyError) -> any Error {
        switch error {
        case .address, .badSetting:
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
