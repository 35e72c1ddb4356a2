import UnixSignals

/// SIGHUP, by which a service is told that its configuration is another.
struct ReloadSignal: Sendable {
    private let signals: UnixSignalsSequence

    /// From here on it does not end the process.
    init() async {
        signals = await UnixSignalsSequence(trapping: .sighup)
    }

    /// Does something at each signal, until the task is cancelled. May be called once.
    func whenever(_ reload: @Sendable () async -> Void) async {
        for await _ in signals { await reload() }
    }
}
