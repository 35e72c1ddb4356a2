import Logging
import TCPProxy

/// Tells on the console what a proxy does.
struct MetricsConsole: Sendable {
    let proxy: Proxy
    /// Between two summaries; nil is never.
    let summaryInterval: Duration?

    private let logger = Logger(label: ConsoleLabel.metrics)

    /// How often it is looked whether events were dropped.
    private static let dropInterval: Duration = .seconds(1)

    /// A line for each event, until the proxy has ended and its last event is told.
    func tellEvents() async {
        for await event in proxy.events {
            logger.info("\(MetricLine.event(event, totals: proxy.snapshot()))", metadata: MetricLine.metadata(event))
        }
    }

    /// A line when events were dropped, until the task is cancelled.
    func tellDrops() async {
        var told = 0
        var isRunning = true
        while isRunning {
            isRunning = await slept(for: Self.dropInterval)
            let dropped = proxy.snapshot().eventsDropped
            if dropped > told { logger.warning("\(MetricLine.dropped(dropped - told))") }
            told = dropped
        }
    }

    /// A line at each interval, until the task is cancelled.
    func summarise() async {
        guard let summaryInterval else { return }
        while await slept(for: summaryInterval) {
            let totals = proxy.snapshot()
            logger.info("\(MetricLine.summary(totals))", metadata: MetricLine.metadata(totals))
        }
    }

    /// Whether the time has passed, rather than the task been cancelled.
    private func slept(for duration: Duration) async -> Bool {
        (try? await Task.sleep(for: duration)) != nil
    }
}
