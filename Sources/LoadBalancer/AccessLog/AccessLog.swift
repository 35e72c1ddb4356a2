import Dispatch
public import Logging
import Synchronization
public import TCPProxy
import Workers

/// Writes a line for each connection of a proxy, at its end, on a thread of its own.
///
/// Workers never wait for it: where it is too slow, their rings fill, and what does not fit is dropped and counted
/// (``TCPProxy/MetricsSnapshot/accessRecordsDropped``).
public final class AccessLog: Sendable {
    /// Where lines go.
    public enum Destination: Sendable {
        /// The path of a file, to which they are added.
        case file(String)
        /// Somebody who takes a line without its end, and does not hold us up.
        case lines(@Sendable (String) -> Void)
    }

    private struct Orders {
        var mustReopen = false
        /// Set when all has happened that will be told.
        var end: ContinuousClock.Instant?
    }

    private let format: AccessLogFormat
    private let file: Mutex<AccessLogFile?>
    private let take: @Sendable (String) -> Void
    private let logger: Logger
    private let orders = Mutex(Orders())
    private let wake = DispatchSemaphore(value: 0)

    /// How long records wait at most before they are written.
    static let tick: Duration = .milliseconds(100)
    /// How long the end of the program waits for a pipe that nobody reads.
    static let patience: Duration = .seconds(2)

    /// Opens a log.
    ///
    /// - Parameter logger: is told when the log cannot be written, and when it can again.
    /// - Throws: ``AccessLogError``.
    public init(_ destination: Destination, format: AccessLogFormat, logger: Logger) throws(AccessLogError) {
        self.format = format
        self.logger = logger
        switch destination {
        case .file(let path):
            file = Mutex(try AccessLogFile(at: path))
            take = { _ in }
        case .lines(let body):
            file = Mutex(nil)
            take = body
        }
    }

    /// Has the file opened anew, since somebody may have put another one in its place.
    public func reopen() {
        orders.withLock { $0.mustReopen = true }
        wake.signal()
    }

    /// Writes until the task is cancelled, and then what has happened until then. To be called once, with a proxy whose
    /// configuration says that it records connections.
    public func run(_ proxy: Proxy) async {
        let thread = WorkerThread.start(name: "access-log") { [self] in
            var wasFailing = false
            while true {
                let isLast = orders.withLock { $0.end != nil }
                reopenIfTold()
                write(proxy, &wasFailing)
                if isLast { return }
                _ = wake.wait(timeout: .now() + .nanoseconds(Self.tick.clampedNanoseconds))
            }
        }
        while (try? await Task.sleep(for: .seconds(1 << 30))) != nil {}
        orders.withLock { $0.end = .now }
        wake.signal()
        await thread.join()
    }

    private func reopenIfTold() {
        let isTold = orders.withLock { orders in
            defer { orders.mustReopen = false }
            return orders.mustReopen
        }
        guard isTold else { return }
        do throws(AccessLogError) {
            try file.withLock { file throws(AccessLogError) in try file?.reopen() }
        } catch {
            logger.error("It goes on in the file that it had: \(error)")
        }
    }

    private func write(_ proxy: Proxy, _ wasFailing: inout Bool) {
        while true {
            let records = proxy.takeAccessRecords()
            guard !records.isEmpty else { return }
            do throws(AccessLogError) {
                try write(records)
                if wasFailing { logger.notice("The access log is written again") }
                wasFailing = false
            } catch {
                proxy.countLostAccessRecords(records.count)
                if !wasFailing { logger.error("\(error); its lines are dropped until it can be written") }
                wasFailing = true
            }
        }
    }

    private func write(_ records: [AccessRecord]) throws(AccessLogError) {
        try file.withLock { file throws(AccessLogError) in
            guard file != nil else {
                for record in records { take(format.line(record)) }
                return
            }
            var lines = ""
            for record in records {
                lines += format.line(record)
                lines += "\n"
            }
            try file?.write(lines) { mayWait }
        }
    }

    private var mayWait: Bool {
        orders.withLock { orders in orders.end.map { ContinuousClock.now < $0 + Self.patience } ?? true }
    }
}
