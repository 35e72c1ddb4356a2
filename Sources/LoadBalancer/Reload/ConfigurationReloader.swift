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
        var statistics = ReloadStatistics(since: Double(WallClock.nanoseconds) / 1e9)
    }

    private let name: String
    private let read: @Sendable () throws -> [UInt8]
    private let proxy: Proxy
    private let poolController: PoolController
    private let logger: Logger
    private let reloads = AsyncSemaphore(1)
    private let state: Mutex<State>

    /// Creates a reloader.
    ///
    /// - Parameters:
    ///   - file: the configuration that the proxy currently uses.
    ///   - name: name of the file in messages.
    ///   - proxy: the running proxy.
    ///   - poolController: the controller of its pools.
    ///   - logger: receives the outcome of each reload.
    ///   - read: returns the current content of the file; its errors are reported unmodified.
    public init(
        _ file: ConfigurationFile,
        named name: String,
        proxy: Proxy,
        poolController: PoolController,
        logger: Logger,
        read: @escaping @Sendable () throws -> [UInt8]
    ) {
        self.name = name
        self.read = read
        self.proxy = proxy
        self.poolController = poolController
        self.logger = logger
        state = Mutex(State(file: file))
    }

    /// Statistics of the reloads so far.
    public var statistics: ReloadStatistics { state.withLock(\.statistics) }

    /// Reads the file and applies it. Logs the outcome.
    @discardableResult
    public func reload() async -> ReloadOutcome {
        await reloads.acquire()
        defer { reloads.release() }
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
        let file: ConfigurationFile
        do {
            file = try ConfigurationFile(parsing: try read())
        } catch let error as ConfigurationError {
            let more = error.suppressed > 0 ? ["\(name): and \(error.suppressed) more"] : []
            return .rejected(error.diagnostics.map { "\(name):\($0)" } + more)
        } catch {
            return .rejected(["\(error)"])
        }
        for warning in file.warnings { logger.warning("\(name):\(warning)") }
        do throws(ProxyError) {
            let change = try await poolController.change(
                listeners: file.listenerConfigurations,
                pools: try await file.resolvedPools(),
                settings: file.poolSettings
            )
            let before = state.withLock { state in
                defer { state.file = file }
                return state.file
            }
            let difference = ConfigurationDifference(from: before, to: file)
            return .applied(changes: difference.lines(with: change), connectionsAffected: change.connectionsAffected)
        } catch {
            return .rejected(["\(name): \(error)"])
        }
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
            logger.error("Reload failed: configuration unchanged")
        }
    }
}
