import Dispatch
import EventLoop
public import Logging
import Synchronization
public import TCPProxy

/// Access log: a thread that writes a line for each connection when it ends.
///
/// Workers never wait for it: if it is too slow, their ring buffers fill up, and further records are dropped and
/// counted (`MetricsSnapshot.accessRecordsDropped`).
public final class AccessLog: Sendable {
    /// Output of the log.
    public enum Destination: Sendable {
        /// Path of a file to append to.
        case file(String)
        /// A function that receives each line without its line terminator. It must not block.
        case lines(@Sendable (String) -> Void)
    }

    private struct Orders {
        var mustReopen = false
        /// Time of the shutdown request; nil while the log runs.
        var end: ContinuousClock.Instant?
    }

    private let format: AccessLogFormat
    private let file: Mutex<AccessLogFile?>
    private let take: @Sendable (String) -> Void
    private let logger: Logger
    private let orders = Mutex(Orders())
    private let wake = DispatchSemaphore(value: 0)

    /// Interval between two writes.
    static let tick: Duration = .milliseconds(100)
    /// Maximum time that the shutdown waits for a pipe that is not read.
    static let patience: Duration = .seconds(2)

    /// Opens the log.
    ///
    /// - Parameters:
    ///   - destination: where the lines are written.
    ///   - format: format of a line.
    ///   - logger: receives a message when the log cannot be written, and when it can be written again.
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

    /// Reopens the file, for log rotation.
    public func reopen() {
        orders.withLock { $0.mustReopen = true }
        wake.signal()
    }

    /// Writes at intervals, until the end is requested.
    private func write(_ proxy: Proxy) {
        var wasFailing = false
        while true {
            let isLast = orders.withLock { $0.end != nil }
            reopenIfRequested()
            write(proxy, &wasFailing)
            if isLast { return }
            _ = wake.wait(timeout: .now() + .nanoseconds(Self.tick.clampedNanoseconds))
        }
    }

    /// Writes until the task is canceled, then writes the records of all connections that have ended. May be called
    /// only once, with a proxy whose configuration enables `recordsConnections`.
    public func run(_ proxy: Proxy) async {
        let thread: WorkerThread
        do throws(SystemError) {
            thread = try WorkerThread.start(name: "access-log") { [self] in write(proxy) }
        } catch {
            return logger.error(
                "cannot write the access log: no thread: \(error): raise the limit on processes (ulimit -u)"
            )
        }
        while (try? await Task.sleep(for: .seconds(1 << 30))) != nil {}
        orders.withLock { $0.end = .now }
        wake.signal()
        await thread.join()
    }

    private func reopenIfRequested() {
        let isTold = orders.withLock { orders in
            defer { orders.mustReopen = false }
            return orders.mustReopen
        }
        guard isTold else { return }
        do throws(AccessLogError) {
            try file.withLock { file throws(AccessLogError) in try file?.reopen() }
        } catch {
            logger.error("Access log not reopened, previous file stays in use: \(error)")
        }
    }

    private func write(_ proxy: Proxy, _ wasFailing: inout Bool) {
        while true {
            let records = proxy.takeAccessRecords()
            guard !records.isEmpty else { return }
            do throws(AccessLogError) {
                try write(records)
                if wasFailing { logger.notice("Access log can be written again") }
                wasFailing = false
            } catch {
                proxy.countLostAccessRecords(records.count)
                if !wasFailing { logger.error("\(error); lines are dropped until it can be written") }
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
