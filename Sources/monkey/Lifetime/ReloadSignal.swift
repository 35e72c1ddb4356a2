import UnixSignals

/// SIGHUP, the request to reload the configuration.
struct ReloadSignal: Sendable {
    private let signals: UnixSignalsSequence

    /// Traps the signal: from here on it does not end the process.
    init() async {
        signals = await UnixSignalsSequence(trapping: .sighup)
    }

    /// Calls `reload` on each signal, until the task is canceled. May be called once.
    func whenever(_ reload: @Sendable () async -> Void) async {
        for await _ in signals { await reload() }
    }
}
