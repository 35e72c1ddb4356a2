import Logging
import TCPProxy

/// Reports failed connection attempts to servers: immediately, and then at most once per interval for each server, with
/// the number of attempts since.
struct ConnectFailureLog {
    /// Failed attempts to one server since the start, by cause.
    struct Failures {
        let pool: String
        let server: String
        let counts: [ConnectFailure: Int]
        /// Cause of the last failed TLS handshake; nil if there was none.
        var tlsFailure: String?
    }

    /// One report.
    struct Report: Equatable {
        let pool: String
        let server: String
        /// The most frequent cause.
        let cause: ConnectFailure
        /// Attempts of any cause since the last report about the server.
        let count: Int
        /// Why TLS handshakes failed, if that is the cause.
        var detail: String?
    }

    /// The minimum time between two reports about a server.
    static let interval: Duration = .seconds(10)
    /// The maximum number of reports at a time; the other servers are reported at one of the next times.
    static let maxReports = 10

    private struct Key: Hashable {
        let pool: String
        let server: String
    }

    /// Whether there are failed attempts that are not reported yet.
    private(set) var isWaiting = false
    private var reported: [Key: (counts: [ConnectFailure: Int], time: Duration)] = [:]

    /// Returns the reports that are due.
    ///
    /// - Parameters:
    ///   - servers: all present servers; the state of others is dropped.
    ///   - now: the time since any fixed moment.
    mutating func reports(on servers: [Failures], at now: Duration) -> [Report] {
        var reports: [Report] = []
        isWaiting = false
        var next: [Key: (counts: [ConnectFailure: Int], time: Duration)] = [:]
        for failures in servers {
            let key = Key(pool: failures.pool, server: failures.server)
            let before = reported[key]
            next[key] = before
            // Attempts that ended because the client closed are not failures of the server.
            let new = failures.counts.filter { $0.key != .clientGone }
                .map { (cause: $0.key, count: $0.value - (before?.counts[$0.key] ?? 0)) }.filter { $0.count > 0 }
            guard let most = new.max(by: { ($0.count, $1.cause.rawValue) < ($1.count, $0.cause.rawValue) }) else {
                continue
            }
            if reports.count == Self.maxReports || before.map({ now - $0.time < Self.interval }) ?? false {
                isWaiting = true
                continue
            }
            next[key] = (failures.counts, now)
            let count = new.reduce(0) { $0 + $1.count }
            reports.append(
                Report(
                    pool: failures.pool,
                    server: failures.server,
                    cause: most.cause,
                    count: count,
                    detail: most.cause == .tls ? failures.tlsFailure : nil
                )
            )
        }
        reported = next
        return reports
    }
}

extension ConnectFailureLog.Report {
    static let message: Logger.Message = "connection attempts failed"

    var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = [
            "pool": "\(pool)", "server": "\(server)", "cause": "\(cause.name)", "count": .stringConvertible(count),
        ]
        if let detail { metadata["detail"] = "\(detail)" }
        return metadata
    }
}
