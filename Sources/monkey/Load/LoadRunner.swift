import LoadTester
import Synchronization

/// Runs load tests one after the other, shows their progress, and stops the one that runs at Control-C.
final class LoadRunner: Sendable {
    private let panel: LivePanel?
    private let signals: StopSignals
    private let state = Mutex(State())

    private struct State {
        var test: LoadTest?
        /// How many signals have come.
        var stops = 0
    }

    /// - Parameter showsProgress: on a terminal, if there is one.
    init(showsProgress: Bool) async {
        panel = showsProgress ? LivePanel.onTerminal() : nil
        signals = await StopSignals()
    }

    /// Lets signals stop what `body` runs; once.
    func untilDone(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await alongside({ await self.signals.stopping { _ in self.stop() } }, run: body)
    }

    /// Runs one test. After a signal it is stopped as soon as it has begun.
    func run(_ plan: Plan) async throws -> Report {
        let test = try LoadTest(plan)
        let isStopping = state.withLock { state in
            state.test = test
            return state.stops > 0
        }
        if isStopping { test.stop() }
        guard let panel else { return try await test.run() }
        defer { panel.clear() }
        return try await alongside(
            { for await progress in test.progress { panel.show(progress, of: plan) } },
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
