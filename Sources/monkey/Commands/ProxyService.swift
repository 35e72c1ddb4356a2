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
    /// The admin endpoint; nil if it is off.
    let admin: AdminServer?
    /// The access log; nil if it is not enabled.
    let accessLog: AccessLog?
    /// The user and group to change to before serving; nil keeps the current ones.
    let owner: ProcessIdentity?
    /// The description of the upstream or the pools in log lines.
    let target: String
    let logsEvents: Bool
    /// The interval between two summaries; nil disables them.
    let summaryInterval: Duration?

    private let logger = Logger(label: ConsoleLabel.program)

    /// Binds the admin endpoint of a proxy; returns nil if `address` is nil.
    ///
    /// - Parameters:
    ///   - control: the control operations; nil makes the endpoint read-only.
    ///   - token: the path of the token file; nil requires no token.
    ///   - advice: the settings that fix an error, appended to its message.
    static func bindAdmin(
        at address: ServiceAddress?,
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
                source: proxy,
                logger: Logger(label: "admin"),
                configuration: configuration
            )
        } catch {
            throw CommandError("\(error) (\(advice))")
        }
    }

    private static func readToken(_ path: String) throws -> AdminToken {
        let bytes = try File.read(path, longest: 64 << 10)
        do {
            return try AdminToken(String(decoding: bytes, as: UTF8.self))
        } catch {
            throw CommandError("\(path): \(error)")
        }
    }

    /// Runs the proxy, from the first log line to the end of the drain.
    func serve(_ console: Console) async throws {
        // Installed before the first log line: a process that reads that line may send a signal.
        let signals = await StopSignals()
        let reopening = await ReopenSignal()
        let reloading = reloader == nil ? nil : await ReloadSignal()
        try owner?.dropPrivileges()
        console.printBanner()
        logStartup()
        await console.flush()
        try await withBackgroundService({ await reopening.whenever { accessLog?.reopen() } }) {
            try await withBackgroundService({ await reloading?.whenever { await reloader?.reload() } }) {
                try await run(until: signals)
            }
        }
    }

    /// Runs the proxy and its services, from the first connection to the end of the drain.
    func run(until signals: StopSignals) async throws {
        try await withAdmin {
            try await withBackgroundService({ await accessLog?.run(proxy) }) {
                try await withMetrics {
                    try await withBackgroundService({ await poolController?.run() }) {
                        try await withBackgroundService({ await stop(at: signals) }, run: proxy.run)
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
        logger.notice(
            "Forwarding to \(target)",
            metadata: ["address": "\(proxy.upstream.map { "\($0)" } ?? target)"]
        )
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

    /// Runs `body` with the admin endpoint, which outlives the drain and so can report on it.
    private func withAdmin(_ body: @escaping @Sendable () async throws -> Void) async throws {
        guard let admin else { return try await body() }
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
            if grace == nil { logDraining() }
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
