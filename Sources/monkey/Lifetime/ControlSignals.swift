import Glibc

/// SIGHUP and SIGUSR1, which request a reload and the reopening of files.
enum ControlSignals {
    /// The commands that the signals must not end: those that serve, and `load`, whose report would be lost.
    private static let commands: Set = ["proxy", "balance", "run", "echo", "load"]

    /// Returns whether the signals must not end a process with these arguments.
    static func areBlocked(for arguments: [String]) -> Bool {
        arguments.first.map(commands.contains) ?? false
    }

    /// Blocks the signals in this thread and in those that it starts: neither ends the process while it is starting. They
    /// remain pending until ``ReloadSignal`` or ``ReopenSignal`` takes them.
    static func block() {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGHUP, SIGUSR1] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}
