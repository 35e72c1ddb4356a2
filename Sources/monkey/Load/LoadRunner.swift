import LoadTester
import Synchronization

/// Runner of consecutive load tests; shows their progress and stops the current one on SIGINT or SIGTERM.
final class LoadRunner: Sendable {
    private let panel: LivePanel?
    private let signals: StopSignals
    private let state = Mutex(State())

    private struct State {
        var test: LoadTest?
        /// Number of tests started.
        var runs = 0
        /// Number of signals received.
        var stops = 0
    }

    /// - Parameter showsProgress: whether to show progress if standard error is a terminal.
    init(showsProgress: Bool) async {
        panel = showsProgress ? LivePanel.onTerminal() : nil
        signals = await StopSignals()
    }

    /// Runs `body`; signals stop its load tests. May be called once.
    func untilDone(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withBackgroundService({ await self.signals.stopping { _ in self.stop() } }, run: body)
    }

    /// Runs one test. After a signal it is stopped immediately after its start.
    ///
    /// - Parameters:
    ///   - isOneOfMany: whether the progress shows the number of the run.
    ///   - count: the total number of runs, if known.
    func run(_ configuration: LoadTest.Configuration, isOneOfMany: Bool = false, of count: Int? = nil) async throws
        -> LoadTest.Report
    {
        let test = try LoadTest(configuration)
        let (isStopping, number) = state.withLock { state in
            state.test = test
            state.runs += 1
            return (state.stops > 0, state.runs)
        }
        if isStopping { test.stop() }
        let label =
            isOneOfMany ? "run \(number)\(count.map { " of \($0)" } ?? ""), \(configuration.pace.spelledOut)" : nil
        var report = try await run(test, label: label)
        report.environment.setCommandLine(["monkey"] + CommandLine.arguments.dropFirst())
        return report
    }

    private func run(_ test: LoadTest, label: String?) async throws -> LoadTest.Report {
        guard let panel else { return try await test.run() }
        defer { panel.clear() }
        return try await withBackgroundService(
            { for await progress in test.progress { panel.show(progress, of: test.configuration, label: label) } },
            run: { try await test.run() }
        )
    }

    private func stop() {
        let test = state.withLock { state in
            state.stops += 1
            return state.test
        }
        test?.stop()
    }
}

extension LoadTest.Pace {
    fileprivate var spelledOut: String {
        switch self {
        case .rate(let profile) where profile.pieces.isEmpty: "\(Grouped(profile.finalRate))/s"
        case .rate(let profile): "\(profile)"
        case .closedLoop: "closed loop"
        }
    }
}
