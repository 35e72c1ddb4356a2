import UnixSignals

/// SIGUSR1, by which those who rotate logs say that files are to be opened anew.
struct ReopenSignal: Sendable {
    private let signals: UnixSignalsSequence

    /// From here on it does not end the process.
    init() async {
        signals = await UnixSignalsSequence(trapping: .sigusr1)
    }

    /// Does something at each signal, until the task is cancelled. May be called once.
    func whenever(_ reopen: @Sendable () -> Void) async {
        for await _ in signals { reopen() }
    }
}
