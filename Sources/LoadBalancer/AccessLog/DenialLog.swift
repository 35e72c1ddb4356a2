public import Logging
import Sockets
public import TCPProxy

/// Log of denied clients: at most one line per minute for each listener and cause, with the number of connections denied
/// since the line before and the last client as an example.
public struct DenialLog: Sendable {
    private let logger: Logger

    /// - Parameter logger: receives the lines.
    public init(logger: Logger) {
        self.logger = logger
    }

    /// Logs until the task is canceled or the proxy has ended.
    public func run(_ proxy: Proxy) async {
        var limiter = DenialLogLimiter()
        while true {
            let denials = await proxy.nextDenials()
            guard !denials.isEmpty else { return }
            for line in limiter.lines(
                denials,
                counts: proxy.listenerSnapshots().map { ($0.name, $0.deniedConnections, $0.dryRunDenials) },
                at: .now
            ) {
                logger.log(
                    level: line.cause == .loop ? .warning : .notice,
                    "\(line)",
                    metadata: [
                        "listener": "\(line.listener)", "cause": "\(line.cause.name)",
                        "count": .stringConvertible(line.count), "client": "\(line.client)",
                    ]
                )
            }
            // Collects the denials of one second.
            guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
        }
    }
}

/// The decision which denials to log, and when.
struct DenialLogLimiter {
    struct Line: Hashable, CustomStringConvertible {
        var listener: String
        var cause: DenyReason
        /// Number of connections since the last line.
        var count: Int
        var client: String
        /// Whether the connections were admitted nevertheless.
        var isDryRun = false
        /// More about the cause of the last one.
        var detail: String?

        var description: String {
            let connections = count == 1 ? "1 connection" : "\(count) connections"
            let denied = isDryRun ? "Would have denied" : "Denied"
            let detail = detail.map { " (\($0))" } ?? ""
            return
                "\(denied) \(connections) to listener \(listener): \(cause.name)\(detail), the last one from \(client)"
        }
    }

    /// Minimum time between two lines of a listener with the same cause.
    static let interval: Duration = .seconds(60)

    private struct Key: Hashable {
        var listener: String
        var cause: DenyReason
        var isDryRun: Bool
    }

    private struct Last {
        var at: ContinuousClock.Instant
        /// The listener's counter at that time.
        var count: Int
    }

    private var last: [Key: Last] = [:]

    /// Returns the lines to log now.
    ///
    /// - Parameters:
    ///   - denials: examples, in order.
    ///   - listeners: the listeners with their counters.
    mutating func lines(
        _ denials: [DeniedConnection],
        counts listeners: [(name: String, denied: [DenyReason: Int], dryRun: [DenyReason: Int])],
        at now: ContinuousClock.Instant
    ) -> [Line] {
        var examples: [Key: DeniedConnection] = [:]
        for denial in denials {
            examples[Key(listener: denial.listener, cause: denial.cause, isDryRun: denial.isDryRun)] = denial
        }
        let names = Set(listeners.map(\.name))
        last = last.filter { names.contains($0.key.listener) }
        var lines: [Line] = []
        for listener in listeners {
            for isDryRun in [false, true] {
                for cause in DenyReason.allCases {
                    let key = Key(listener: listener.name, cause: cause, isDryRun: isDryRun)
                    guard let example = examples[key] else { continue }
                    let count = (isDryRun ? listener.dryRun : listener.denied)[cause, default: 0]
                    if let last = last[key], now - last.at < Self.interval { continue }
                    let line = Line(
                        listener: listener.name,
                        cause: cause,
                        count: max(1, count - (last[key]?.count ?? 0)),
                        client: "\(example.client)",
                        isDryRun: isDryRun,
                        detail: example.detail
                    )
                    lines.append(line)
                    last[key] = Last(at: now, count: count)
                }
            }
        }
        return lines
    }
}
