import UnixSignals

/// SIGUSR1, the request of log rotation to reopen files.
struct ReopenSignal: Sendable {
    private let signals: UnixSignalsSequence

    /// Traps the signal: from here on it does not end the process.
    init() async {
        signals = await UnixSignalsSequence(trapping: .sigusr1)
    }

    /// Calls `reopen` on each signal, until the task is canceled. May be called once.
    func whenever(_ reopen: @Sendable () -> Void) async {
        for await _ in signals { reopen() }
    }
}
