import Glibc
import UnixSignals

/// SIGINT and SIGTERM: the first signal starts a graceful shutdown, the second ends it immediately.
///
/// ServiceLifecycle's group handles only the first signal, so the signals are handled here.
struct StopSignals: Sendable {
    private let signals: UnixSignalsSequence

    /// Traps the signals: from here on neither ends the process, and signals that arrive before ``stopping(_:)`` are
    /// kept.
    ///
    /// SIGPIPE is ignored too: if a reader of standard output exits, connections must not be affected.
    init() async {
        signal(SIGPIPE, SIG_IGN)
        signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
    }

    /// Waits for the first signal and calls `stop` with nil, its own grace; on the second signal, calls it again with
    /// zero. Returns when both calls have returned, or if the task is canceled before a signal. May be called once.
    func stopping(_ stop: @escaping @Sendable (_ grace: Duration?) async -> Void) async {
        await withTaskGroup { group in
            var signals = signals.makeAsyncIterator()
            for grace: Duration? in [nil, .zero] {
                guard await signals.next() != nil else { return }
                group.addTask { await stop(grace) }
            }
        }
    }
}
