import ProcessSupport
public import Logging
import Sockets
import Synchronization
public import TCPProxy
import EventLoop

/// Reloader of the configuration file of a running proxy.
///
/// A file that has errors, or that the system rejects, changes nothing. Reloads run one at a time.
public final class ConfigurationReloader: Sendable {
    public enum Outcome: Sendable, Equatable {
        /// The configuration was applied; `changes` has a line for each change.
        case done(changes: [String], connectionsAffected: Int)
        /// The configuration was rejected and nothing has changed; a line for each reason.
        case refused([String])
    }

    /// Counters of reloads.
    public struct Figures: Sendable, Equatable {
        public var done = 0
        public var refused = 0
        /// Time of the last successful reload, or of the start, in seconds since 1970.
        public var lastSuccess = Double(WallClock.nanoseconds) / 1e9
        public var wasSuccessful = true
    }

    private struct State {
        var file: ConfigurationFile
        var figures = Figures()
    }

    private let name: String
    private let read: @Sendable () throws -> [UInt8]
    private let proxy: Proxy
    private let poolController: PoolController
    private let logger: Logger
    private let reloads = AsyncSemaphore(1)
    private let state: Mutex<State>

    /// - Parameters:
    ///   - file: the configuration that the proxy currently uses.
    ///   - name: name of the file in messages.
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

    public var figures: Figures { state.withLock(\.figures) }

    /// Reads the file and applies it. Logs the outcome.
    @discardableResult
    public func reload() async -> Outcome {
        await reloads.acquire()
        defer { reloads.release() }
        let outcome = await attempt()
        state.withLock { state in
            switch outcome {
            case .done:
                state.figures.done += 1
                state.figures.lastSuccess = Double(WallClock.nanoseconds) / 1e9
                state.figures.wasSuccessful = true
            case .refused:
                state.figures.refused += 1
                state.figures.wasSuccessful = false
            }
        }
        report(outcome)
        return outcome
    }

    private func attempt() async -> Outcome {
        let file: ConfigurationFile
        do {
            file = try ConfigurationFile(parsing: try read())
        } catch let error as ConfigurationError {
            let more = error.suppressed > 0 ? ["\(name): and \(error.suppressed) more"] : []
            return .refused(error.diagnostics.map { "\(name):\($0)" } + more)
        } catch {
            return .refused(["\(error)"])
        }
        for warning in file.warnings { logger.warning("\(name):\(warning)") }
        do throws(ProxyError) {
            let change = try await poolController.change(
                listeners: file.listeners.map(\.configuration),
                pools: try await file.resolvedPools(),
                settings: file.pools.map(PoolSettings.init)
            )
            let before = state.withLock { state in
                defer { state.file = file }
                return state.file
            }
            let difference = ConfigurationDifference(from: before, to: file)
            return .done(changes: difference.lines(with: change), connectionsAffected: change.connectionsAffected)
        } catch {
            return .refused(["\(name): \(error)"])
        }
    }

    private func report(_ outcome: Outcome) {
        switch outcome {
        case .done(let changes, let connections):
            let count = changes.count
            let summary = count == 0 ? "no changes" : count == 1 ? "1 change" : "\(count) changes"
            logger.notice(
                "Reloaded \(name): \(summary)",
                metadata: ["changes": .stringConvertible(count), "connections": .stringConvertible(connections)]
            )
            for change in changes { logger.notice("\(change)") }
        case .refused(let mistakes):
            for mistake in mistakes { logger.error("\(mistake)") }
            logger.error("Reload failed: configuration unchanged")
        }
    }
}

extension ConfigurationFile {
    /// Returns the pools with the names of their servers resolved.
    ///
    /// - Throws: ``TCPProxy/ProxyError/unknownHost(_:detail:)``.
    public func resolvedPools() async throws(ProxyError) -> [PoolConfiguration] {
        var resolved: [PoolConfiguration] = []
        for pool in pools { resolved.append(pool.configuration(servers: try await pool.servers.resolved())) }
        return resolved
    }
}
