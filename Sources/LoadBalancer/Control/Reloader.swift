public import Logging
import Sockets
import Synchronization
public import TCPProxy
import Workers

/// Has a proxy that runs serve by its configuration file as it is now.
///
/// A file with mistakes, or one that the machine does not allow, changes nothing. Reloads come one after the other.
public final class Reloader: Sendable {
    public enum Outcome: Sendable, Equatable {
        /// What has changed, a line each.
        case done(changes: [String], connectionsAffected: Int)
        /// Why nothing has, a line each.
        case refused([String])
    }

    /// How reloads have gone.
    public struct Figures: Sendable, Equatable {
        public var done = 0
        public var refused = 0
        /// Of the last that was done, or of the start; in seconds since 1970.
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
    private let keeper: PoolKeeper
    private let logger: Logger
    private let turns = Turns()
    private let state: Mutex<State>

    /// - Parameters:
    ///   - file: what the proxy serves by now.
    ///   - name: what the file is called in messages.
    ///   - read: the file's bytes as they are now; what it throws is told as it is.
    public init(
        _ file: ConfigurationFile,
        named name: String,
        proxy: Proxy,
        keeper: PoolKeeper,
        logger: Logger,
        read: @escaping @Sendable () throws -> [UInt8]
    ) {
        self.name = name
        self.read = read
        self.proxy = proxy
        self.keeper = keeper
        self.logger = logger
        state = Mutex(State(file: file))
    }

    public var figures: Figures { state.withLock(\.figures) }

    /// Reads the file and goes over to what it says. The outcome is logged, too.
    @discardableResult
    public func reload() async -> Outcome {
        await turns.begin()
        defer { turns.end() }
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
        tell(outcome)
        return outcome
    }

    private func attempt() async -> Outcome {
        let file: ConfigurationFile
        do {
            file = try ConfigurationFile(parsing: try read())
        } catch let error as ConfigurationError {
            let more = error.untold > 0 ? ["\(name): and \(error.untold) more"] : []
            return .refused(error.problems.map { "\(name):\($0)" } + more)
        } catch {
            return .refused(["\(error)"])
        }
        for warning in file.warnings { logger.warning("\(name):\(warning)") }
        do throws(ProxyError) {
            let change = try await keeper.change(
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

    private func tell(_ outcome: Outcome) {
        switch outcome {
        case .done(let changes, let connections):
            let count = changes.count
            let summary = count == 0 ? "nothing has changed" : count == 1 ? "1 change" : "\(count) changes"
            logger.notice(
                "Reloaded \(name): \(summary)",
                metadata: ["changes": .stringConvertible(count), "connections": .stringConvertible(connections)]
            )
            for change in changes { logger.notice("\(change)") }
        case .refused(let mistakes):
            for mistake in mistakes { logger.error("\(mistake)") }
            logger.error("Not reloaded: nothing has changed")
        }
    }
}

extension ConfigurationFile {
    /// The pools, with the names of their servers resolved.
    ///
    /// - Throws: ``TCPProxy/ProxyError/unknownHost(_:detail:)``.
    public func resolvedPools() async throws(ProxyError) -> [PoolConfiguration] {
        var resolved: [PoolConfiguration] = []
        for pool in pools { resolved.append(pool.configuration(servers: try await pool.servers.resolved())) }
        return resolved
    }
}
