import Glibc
import UnixSignals

/// SIGINT and SIGTERM as this program takes them: the first asks it to end well, the second to end at once.
///
/// ServiceLifecycle's group takes the first alone, so they are handled here.
struct StopSignals: Sendable {
    private let signals: UnixSignalsSequence

    /// From here on neither ends the process by itself, and what comes before it is waited for is not lost.
    ///
    /// SIGPIPE is ignored too: a reader of our output that goes away must not take connections with it.
    init() async {
        signal(SIGPIPE, SIG_IGN)
        signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
    }

    /// Waits for the first signal, then stops something: at first within its own grace (nil), and from the second signal
    /// on without any. Returns when it has stopped, or when the task is cancelled before a signal came. May be called
    /// once.
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
