import Logging
import TCPProxy

/// Writer of events and summaries to the console.
struct MetricsConsole: Sendable {
    let proxy: Proxy
    /// The interval between two summaries; nil disables them.
    let summaryInterval: Duration?

    private let logger = Logger(label: ConsoleLabel.metrics)
    private let serverLogger = Logger(label: "servers")

    /// The interval at which the count of dropped events is checked.
    private static let dropInterval: Duration = .seconds(1)

    /// The interval at which failed connection attempts are read.
    private static let failureInterval: Duration = .seconds(1)

    /// Logs each event until the proxy has ended and its last event is logged.
    func logEvents() async {
        for await event in proxy.events {
            logger.info("\(MetricLine.event(event, totals: proxy.snapshot()))", metadata: MetricLine.metadata(event))
        }
    }

    /// Logs the number of newly dropped events, until the task is canceled.
    func logDrops() async {
        var reported = 0
        var isRunning = true
        while isRunning {
            isRunning = await slept(for: Self.dropInterval)
            let dropped = proxy.snapshot().eventsDropped
            if dropped > reported { logger.warning("\(MetricLine.dropped(dropped - reported))") }
            reported = dropped
        }
    }

    /// Logs exhausted descriptors and memory, until the proxy has ended or the task is canceled.
    func logExhaustion() async {
        let logger = Logger(label: "resources")
        var log = ExhaustionLog()
        for await snapshot in proxy.snapshots {
            guard let line = log.line(for: snapshot, at: .now) else { continue }
            logger.warning("\(line.message)", metadata: line.metadata)
        }
    }

    /// Logs failed connection attempts, until the task is canceled.
    func logConnectFailures() async {
        var log = ConnectFailureLog()
        var last: [ConnectFailure: Int] = [:]
        let start = ContinuousClock.now
        repeat {
            let totals = proxy.snapshot().connectFailures
            // The servers are read only if there is something to report: there may be thousands.
            guard totals != last || log.isWaiting else { continue }
            last = totals
            let servers = proxy.poolSnapshots().flatMap { pool in
                pool.servers.map {
                    ConnectFailureLog.Failures(
                        pool: pool.name,
                        server: $0.configuration.name,
                        counts: $0.connectFailures,
                        tlsFailure: $0.tlsFailure
                    )
                }
            }
            for report in log.reports(on: servers, at: ContinuousClock.now - start) {
                serverLogger.warning(ConnectFailureLog.Report.message, metadata: report.metadata)
            }
        } while await slept(for: Self.failureInterval)
    }

    /// Logs the totals at each interval, until the task is canceled.
    func summarise() async {
        guard let summaryInterval else { return }
        while await slept(for: summaryInterval) {
            let totals = proxy.snapshot()
            logger.info("\(MetricLine.summary(totals))", metadata: MetricLine.metadata(totals))
        }
    }

    /// Sleeps; returns false if the task was canceled.
    private func slept(for duration: Duration) async -> Bool {
        (try? await Task.sleep(for: duration)) != nil
    }
}
