import EventLoop
public import Logging
import ProcessSupport
import Sockets
import Synchronization
public import TCPProxy

/// Reloader of the configuration file of a running proxy.
///
/// A file that has errors, or that the system rejects, changes nothing. Reloads run one at a time.
public final class ConfigurationReloader: Sendable {
    private struct State {
        var file: ConfigurationFile
        var resolved: ResolvedPools
        var statistics = ReloadStatistics(since: Double(WallClock.nanoseconds) / 1e9)
    }

    private let name: String
    private let context: ConfigurationFile.Context
    private let read: @Sendable () throws -> [UInt8]
    private let proxy: Proxy
    private let poolController: PoolController
    private let logger: Logger
    /// The reloader of the files that the configuration names. Its turn is held during a reload of the configuration, too.
    package let certificates: CertificateReloader
    private let state: Mutex<State>

    /// Creates a reloader.
    ///
    /// - Parameters:
    ///   - file: the configuration that the proxy currently uses.
    ///   - resolved: the pools of that configuration, as the proxy was bound with; their addresses stay in use while
    ///     names cannot be resolved.
    ///   - name: name of the file in messages.
    ///   - proxy: the running proxy.
    ///   - poolController: the controller of its pools.
    ///   - logger: receives the outcome of each reload.
    ///   - context: the environment and the files that the file refers to.
    ///   - read: returns the current content of the file; its errors are reported unmodified.
    public init(
        _ file: ConfigurationFile,
        resolved: ResolvedPools,
        named name: String,
        proxy: Proxy,
        poolController: PoolController,
        logger: Logger,
        context: ConfigurationFile.Context = ConfigurationFile.Context(),
        read: @escaping @Sendable () throws -> [UInt8]
    ) {
        self.name = name
        self.context = context
        self.read = read
        self.proxy = proxy
        self.poolController = poolController
        self.logger = logger
        certificates = CertificateReloader(TLSSources(file, in: context), proxy: proxy, logger: logger)
        state = Mutex(State(file: file, resolved: resolved))
    }

    /// Statistics of the reloads so far.
    public var statistics: ReloadStatistics { state.withLock(\.statistics) }

    /// Reads the file and applies it. Logs the outcome.
    @discardableResult
    public func reload() async -> ReloadOutcome {
        await certificates.turn.acquire()
        defer { certificates.turn.release() }
        let outcome = await attempt()
        state.withLock { state in
            switch outcome {
            case .applied:
                state.statistics.applied += 1
                state.statistics.lastSuccess = Double(WallClock.nanoseconds) / 1e9
                state.statistics.wasSuccessful = true
            case .rejected:
                state.statistics.rejected += 1
                state.statistics.wasSuccessful = false
            }
        }
        report(outcome)
        return outcome
    }

    private func attempt() async -> ReloadOutcome {
        // Reading a file may block for as long as the file system that it is on does, which must not delay the end of
        // the process.
        let (name, read, present) = (name, read, certificates.loaded)
        let context = self.context.using(present)
        let parsed = await abandoning { () async -> Parsed in
            do {
                return try await WorkerThread.run(name: "reload") { Parsed(read, context) }
            } catch {
                return .unreadable("cannot read \(name): \(error)")
            }
        }
        let file: ConfigurationFile
        switch parsed {
        case nil: return .rejected(["\(name): the reload was canceled, because the process is ending"])
        case .unreadable(let error): return .rejected([error])
        case .invalid(let error): return rejection(error)
        case .valid(let valid): file = valid
        }
        let invalid = CertificateWarnings.newlyInvalid(in: file.loadedTLS, after: present, at: context.now())
        guard invalid.isEmpty else { return .rejected(invalid.map { "\(name): \($0)" }) }
        let resolved: ResolvedPools
        do throws(ConfigurationError) {
            resolved = try await file.resolved(after: state.withLock(\.resolved))
        } catch {
            log(file.warnings)
            return rejection(error)
        }
        log(file.warnings + resolved.warnings)
        do throws(ProxyError) {
            let change = try await poolController.change(
                listeners: file.listenerConfigurations,
                pools: resolved.pools,
                settings: resolved.settings
            )
            var before = state.withLock { state in
                defer { (state.file, state.resolved) = (file, resolved) }
                return state.file
            }
            before.use(present)
            certificates.use(TLSSources(file, in: context))
            let difference = ConfigurationDifference(from: before, to: file)
            return .applied(changes: difference.lines(with: change), connectionsAffected: change.connectionsAffected)
        } catch {
            return .rejected(["\(name): \(error)"])
        }
    }

    /// Result of reading and parsing the file.
    private enum Parsed: Sendable {
        case valid(ConfigurationFile)
        case invalid(ConfigurationError)
        case unreadable(String)

        init(_ read: () throws -> [UInt8], _ context: ConfigurationFile.Context) {
            do {
                self = .valid(try ConfigurationFile(parsing: try read(), in: context))
            } catch let error as ConfigurationError {
                self = .invalid(error)
            } catch {
                self = .unreadable("\(error)")
            }
        }
    }

    /// Returns the outcome for a file with errors, and logs its warnings.
    private func rejection(_ error: ConfigurationError) -> ReloadOutcome {
        log(error.diagnostics.filter { $0.severity == .warning })
        let more = error.suppressed > 0 ? ["\(name): and \(error.suppressed) more"] : []
        return .rejected(error.diagnostics.filter { $0.severity == .error }.map { $0.line(in: name) } + more)
    }

    private func log(_ warnings: [Diagnostic]) {
        for warning in warnings { logger.warning("\(warning.line(in: name))") }
    }

    private func report(_ outcome: ReloadOutcome) {
        switch outcome {
        case .applied(let changes, let connections):
            let count = changes.count
            let summary = count == 0 ? "no changes" : count == 1 ? "1 change" : "\(count) changes"
            logger.notice(
                "Reloaded \(name): \(summary)",
                metadata: ["changes": .stringConvertible(count), "connections": .stringConvertible(connections)]
            )
            for change in changes { logger.notice("\(change)") }
        case .rejected(let errors):
            for error in errors { logger.error("\(error)") }
            logger.error("Reload of \(name) failed: the previous configuration stays in use")
        }
    }
}
