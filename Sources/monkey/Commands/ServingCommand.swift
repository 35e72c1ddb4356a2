import ArgumentParser
import LoadBalancer
import Sockets
import TCPProxy

/// A command that runs a proxy until it is stopped.
protocol ServingCommand {
    var connections: ConnectionOptions { get }
    var entrance: EntranceOptions { get }
    var timeouts: TimeoutOptions { get }
    var shutdown: ShutdownOptions { get }
    var metrics: MetricsOptions { get }
    var access: AccessLogOptions { get }
    var owner: OwnerOptions { get }
}

extension ServingCommand {
    var proxyConfiguration: Configuration {
        var configuration = Configuration()
        connections.apply(to: &configuration)
        timeouts.apply(to: &configuration)
        entrance.apply(to: &configuration)
        shutdown.apply(to: &configuration)
        configuration.recordsConnections = access.accessLog != nil
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
    ///   - keeper: the controller of the pools; nil for a single upstream.
    ///   - control: the control operations over HTTP; nil disables them.
    ///   - token: the path of the token file of the admin endpoint.
    func serve(
        _ proxy: Proxy,
        forwardingTo target: String,
        watchedBy keeper: PoolKeeper? = nil,
        control: Control? = nil,
        token: String? = nil,
        _ console: Console
    ) async throws {
        let admin = try await ServedProxy.bindAdmin(
            at: metrics.metrics.value,
            for: proxy,
            control: control,
            token: token,
            mendedBy: control == nil
                ? "--metrics ADDRESS, or --metrics off"
                : "--metrics ADDRESS or off, --admin-token-file FILE, --no-control"
        )
        let served = ServedProxy(
            proxy: proxy,
            keeper: keeper,
            admin: admin,
            accessLog: try AccessLog(at: access.accessLog, format: access.accessLogFormat ?? .text, console),
            owner: try ProcessOwner(user: owner.user, group: owner.group),
            target: target,
            tellsEvents: metrics.events,
            summaryInterval: metrics.summary.value?.duration
        )
        try await served.serve(console)
    }

    /// Returns the error to report, in terms of the command line if it concerns a setting.
    func explanation(of error: ProxyError) -> any Error {
        switch error {
        case .address, .badSetting:
            ValidationError(error.description)
        case .descriptorLimit(let limit, let wanted, let connections) where self.connections.maxConnections != nil:
            Failure(
                "--max-connections \(connections) needs \(wanted) descriptors, and the limit is \(limit): "
                    + "raise the limit (ulimit -n), or lower --max-connections"
            )
        default:
            error
        }
    }
}
