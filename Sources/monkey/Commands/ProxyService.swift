import AdminServer
import LoadBalancer
import Logging
import ProcessSupport
import Sockets
import TCPProxy

/// A bound proxy with its admin endpoint, console output, access log and signal handling.
struct ProxyService: Sendable {
    let proxy: Proxy
    /// The controller of the pools; nil without pools.
    let poolController: PoolController?
    /// The reloader; nil without a configuration file.
    var reloader: ConfigurationReloader?
    /// The reloader of the files of TLS.
    let certificates: CertificateReloader
    /// The interval at which these files are checked; nil does not.
    let certificateInterval: Duration?
    /// The admin endpoint; nil if it is off.
    let admin: AdminServer?
    /// The access log; nil if it is not enabled.
    let accessLog: AccessLog?
    /// The user and group to change to before serving; nil keeps the current ones.
    let owner: ProcessIdentity?
    /// The path of the PID file; nil writes none.
    let pidFile: String?
    /// The description of the upstream or the pools in log lines.
    let target: String
    let logsEvents: Bool
    /// The interval between two summaries; nil disables them.
    let summaryInterval: Duration?

    private let logger = Logger(label: ConsoleLabel.program)

    /// Binds the admin endpoint of a proxy; returns nil if `address` is nil.
    ///
    /// - Parameters:
    ///   - inherited: the socket of the service manager to listen on; nil opens a new one.
    ///   - control: the control operations; nil makes the endpoint read-only.
    ///   - token: the path of the token file; nil requires no token.
    ///   - advice: the settings that fix an error, appended to its message.
    static func bindAdmin(
        at address: ServiceAddress?,
        inherited: InheritedSocket? = nil,
        for proxy: Proxy,
        control: (any AdminControl)? = nil,
        token: String? = nil,
        fix advice: String
    ) async throws -> AdminServer? {
        guard let address else { return nil }
        var configuration = AdminServer.Configuration(version: Version.current)
        configuration.control = control
        configuration.token = try token.map(readToken)
        do {
            return try await AdminServer.bind(
                address,
                inherited: inherited,
                source: proxy,
                logger: Logger(label: "admin"),
                configuration: configuration
            )
        } catch {
            throw CommandError("\(error) (\(advice))")
        }
    }

    /// Reads a token; logs a warning if other users have access to its file.
    static func readToken(_ path: String) throws -> AdminToken {
        let content: RegularFile.Content
        do throws(RegularFileError) {
            content = try RegularFile.content(of: path, maxSize: 64 << 10)
        } catch {
            throw CommandError(error.description)
        }
        do {
            let token = try AdminToken(String(decoding: content.bytes, as: UTF8.self))
            if let warning = tokenWarning(path, mode: content.mode) { Logger(label: "admin").warning("\(warning)") }
            return token
        } catch {
            throw CommandError("\(path): \(error)")
        }
    }

    /// Returns a warning if other users can read or write the token, or the group can write it; nil otherwise.
    static func tokenWarning(_ path: String, mode: UInt32) -> String? {
        let permissions = mode & 0o777
        guard permissions & 0o026 != 0 else { return nil }
        let access = permissions & 0o022 != 0 ? "write" : "read"
        return "admin-token-file \(path): other users can \(access) it (mode 0\(String(permissions, radix: 8))): "
            + "run chmod 600 \(path)"
    }

    /// Runs the proxy, from the first log line to the end of the drain.
    ///
    /// - Parameter warnings: warnings about the configuration, logged after the startup lines.
    func serve(_ console: Console, warnings: [String] = []) async throws {
        // Installed before the first log line: a process that reads that line may send a signal.
        let signals = await StopSignals()
        let reopening = await ReopenSignal()
        let reloading = await ReloadSignal()
        // Written before the privileges are dropped: usually only root may write to the directory.
        let pidFile = try pidFile.map { path throws(CommandError) in try PIDFile(at: path) }
        defer { pidFile?.remove() }
        try owner?.dropPrivileges()
        // Those that the libraries create later; they would trap if one was refused.
        try ThreadLimit.check(ThreadLimit.runtimeThreads + ThreadLimit.networkThreads)
        console.printBanner()
        // Does not wait for the output: serving must not depend on a reader.
        logStartup()
        for warning in warnings { Logger(label: "config").warning("\(warning)") }
        try await withBackgroundService({ await reopening.whenever { reopen() } }) {
            try await withBackgroundService({ await reloading.whenever { await reload() } }) {
                try await withBackgroundService(notifications.run) { try await run(until: signals) }
            }
        }
    }

    private var notifications: ServiceNotifications { ServiceNotifications(of: proxy) }

    private func reload() async {
        if let reloader {
            await notifications.whileReloading { await reloader.reload() }
        } else if certificates.isUseful {
            await notifications.whileReloading { await certificates.reload() }
        } else {
            logger.notice("SIGHUP ignored: there is no configuration file to reload")
        }
    }

    private func reopen() {
        if let accessLog {
            accessLog.reopen()
        } else {
            logger.notice("SIGUSR1 ignored: there is no access log to reopen")
        }
    }

    /// Runs the proxy and its services, from the first connection to the end of the drain.
    func run(until signals: StopSignals) async throws {
        try await withAdmin {
            try await withBackgroundService({ await accessLog?.run(proxy) }) {
                try await withBackgroundService({ await DenialLog(logger: Logger(label: "clients")).run(proxy) }) {
                    try await withMetrics {
                        try await withBackgroundService({ await poolController?.run() }) {
                            try await withBackgroundService({ await certificates.run(every: certificateInterval) }) {
                                try await withBackgroundService({ await stop(at: signals) }, run: proxy.run)
                            }
                        }
                    }
                }
            }
            let drained = proxy.drainSummary
            logger.notice(
                "Drained: \(drained.ended) connections completed, \(drained.forced) closed forcibly",
                metadata: ["ended": .stringConvertible(drained.ended), "forced": .stringConvertible(drained.forced)]
            )
        }
    }

    /// Logs the addresses of the listeners, the upstream and the admin endpoint.
    func logStartup() {
        for address in proxy.localAddresses {
            logger.notice("Proxy listening on \(address)", metadata: ["address": "\(address)"])
        }
        for address in proxy.ipv4OnlyAddresses {
            logger.notice(
                "IPv6 is not available: listening on all IPv4 interfaces only",
                metadata: ["address": "\(address)"]
            )
        }
        logger.notice(
            "Forwarding to \(target)",
            metadata: ["address": "\(proxy.upstream.map { "\($0)" } ?? target)"]
        )
        if reloader != nil {
            for listener in proxy.listenerSnapshots() {
                logger.notice(
                    "Listener \(listener.name) on \(listener.address) forwards to pool \(listener.pool)",
                    metadata: [
                        "listener": "\(listener.name)", "address": "\(listener.address)", "pool": "\(listener.pool)",
                    ]
                )
            }
        }
        if let owner { logger.notice("Running as \(owner)", metadata: ["owner": "\(owner)"]) }
        guard let address = admin?.localAddress else { return }
        let place =
            switch address {
            case .internet: "http://\(address)/metrics"
            // A Unix socket has no URL.
            case .unix: "\(address), at /metrics"
            }
        logger.notice("Metrics on \(place)", metadata: ["address": "\(address)"])
    }

    /// Runs `body` with the admin endpoint, whose listening socket is closed together with the listeners: while this
    /// process drains, the next one may need all of its addresses.
    private func withAdmin(_ body: @escaping @Sendable () async throws -> Void) async throws {
        guard let admin else { return try await body() }
        proxy.onListenersClosing { await admin.stopListening() }
        try await withBackgroundService({ await serve(admin) }, run: body)
    }

    private func serve(_ admin: AdminServer) async {
        do {
            try await admin.run()
        } catch {
            // A failure of the admin endpoint must not close connections.
            Logger(label: "admin").error("\(error)")
        }
    }

    private func withMetrics(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let console = MetricsConsole(proxy: proxy, summaryInterval: summaryInterval)
        try await withBackgroundService({ await console.logConnectFailures() }) {
            try await withBackgroundService(console.logExhaustion) {
                try await withSummary(console, body)
            }
        }
    }

    private func withSummary(
        _ console: MetricsConsole,
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withBackgroundService(console.summarise) {
            guard logsEvents else { return try await body() }
            try await withBackgroundService(console.logDrops) {
                // Subscribes here, so that no event is missed before the task below reads.
                let listening = proxy.events.makeAsyncIterator()
                async let reported: Void = console.logEvents()
                try await body()
                await reported
                withExtendedLifetime(listening) {}
            }
        }
    }

    private func stop(at signals: StopSignals) async {
        await signals.stopping { grace in
            if grace == nil {
                notifications.stopping()
                logDraining()
            }
            await proxy.shutdown(grace: grace)
        }
    }

    private func logDraining() {
        let active = proxy.snapshot().activeConnections
        guard active > 0 else { return }
        let grace = DurationValue(proxy.configuration.grace)
        logger.notice(
            "Draining: \(active) connections have \(grace) to complete; a second signal closes them forcibly",
            metadata: ["active": .stringConvertible(active), "grace": "\(grace)"]
        )
    }
}
