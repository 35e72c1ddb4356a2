import Logging
import TCPProxy

/// Writer of events and summaries to the console.
struct MetricsConsole: Sendable {
    let proxy: Proxy
    /// The interval between two summaries; nil disables them.
    let summaryInterval: Duration?

    private let logger = Logger(label: ConsoleLabel.metrics)

    /// The interval at which the count of dropped events is checked.
    private static let dropInterval: Duration = .seconds(1)

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
