import AdminServer
import LoadBalancer
import Logging
import Sockets
import TCPProxy

/// A bound proxy with all that stands around it: its endpoint, its lines on the console, and the signals that end it.
struct ServedProxy: Sendable {
    let proxy: Proxy
    /// Nil where there are no pools.
    let keeper: PoolKeeper?
    /// Nil where no file says what is served.
    var reloader: Reloader?
    /// Nil where it is off.
    let admin: AdminServer?
    /// Nil where nobody asked for one.
    let accessLog: AccessLog?
    /// Whom the process becomes before it serves; nil stays who it is.
    let owner: ProcessOwner?
    /// Where it forwards to, as people are told.
    let target: String
    let tellsEvents: Bool
    /// Between two summaries; nil is never.
    let summaryInterval: Duration?

    private let logger = Logger(label: ConsoleLabel.program)

    /// Binds the HTTP endpoint of a proxy; nil for no address.
    ///
    /// - Parameters:
    ///   - control: what may be changed by it; nil is nothing.
    ///   - token: the file with the token that it asks for; nil asks for none.
    ///   - advice: how whoever started it can have it elsewhere.
    static func bindAdmin(
        at address: ServiceAddress?,
        for proxy: Proxy,
        control: (any AdminControl)? = nil,
        token: String? = nil,
        mendedBy advice: String
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
            throw Failure("\(error) (\(advice))")
        }
    }

    private static func readToken(_ path: String) throws -> AdminToken {
        let bytes = try File.read(path, longest: 64 << 10)
        do {
            return try AdminToken(String(decoding: bytes, as: UTF8.self))
        } catch {
            throw Failure("\(path): \(error)")
        }
    }

    /// From the first line to the end of the drain.
    func serve(_ console: Console) async throws {
        // Trapped before the first line is out: whoever has read it may signal.
        let signals = await StopSignals()
        let reopening = await ReopenSignal()
        let reloading = reloader == nil ? nil : await ReloadSignal()
        try owner?.assume()
        console.greet()
        announce()
        await console.flush()
        try await alongside({ await reopening.whenever { accessLog?.reopen() } }) {
            try await alongside({ await reloading?.whenever { await reloader?.reload() } }) {
                try await run(until: signals)
            }
        }
    }

    /// From the first connection to the end of the drain.
    func run(until signals: StopSignals) async throws {
        try await withAdmin {
            try await alongside({ await accessLog?.run(proxy) }) {
                try await withMetrics {
                    try await alongside({ await keeper?.run() }) {
                        try await alongside({ await stop(at: signals) }, run: proxy.run)
                    }
                }
            }
            let drained = proxy.drainSummary
            logger.notice(
                "Drained: \(drained.ended) connections ended by themselves, \(drained.cut) were cut",
                metadata: ["ended": .stringConvertible(drained.ended), "cut": .stringConvertible(drained.cut)]
            )
        }
    }

    /// Says where everything is.
    func announce() {
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
            // Which has no URL of its own.
            case .unix: "\(address), at /metrics"
            }
        logger.notice("Metrics on \(place)", metadata: ["address": "\(address)"])
    }

    /// Around all else, so that the endpoint outlives the drain and can tell of it.
    private func withAdmin(_ body: @escaping @Sendable () async throws -> Void) async throws {
        guard let admin else { return try await body() }
        try await alongside({ await serve(admin) }, run: body)
    }

    private func serve(_ admin: AdminServer) async {
        do {
            try await admin.run()
        } catch {
            // Connections are worth more than their figures.
            Logger(label: "admin").error("\(error)")
        }
    }

    private func withMetrics(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let console = MetricsConsole(proxy: proxy, summaryInterval: summaryInterval)
        try await alongside(console.summarise) {
            guard tellsEvents else { return try await body() }
            try await alongside(console.tellDrops) {
                // Listens from here on, so that nothing is missed until the task below reads.
                let listening = proxy.events.makeAsyncIterator()
                async let told: Void = console.tellEvents()
                try await body()
                await told
                withExtendedLifetime(listening) {}
            }
        }
    }

    private func stop(at signals: StopSignals) async {
        await signals.stopping { grace in
            if grace == nil { sayDraining() }
            await proxy.shutdown(grace: grace)
        }
    }

    private func sayDraining() {
        let active = proxy.snapshot().activeConnections
        guard active > 0 else { return }
        let grace = WrittenDuration(proxy.configuration.grace)
        logger.notice(
            "Draining: \(active) connections have \(grace) to end; a second signal cuts them",
            metadata: ["active": .stringConvertible(active), "grace": "\(grace)"]
        )
    }
}
