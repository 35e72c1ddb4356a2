import Synchronization

/// Latest value of a variable, which any number of tasks can follow without blocking the writer.
final class LatestValue<Value: Sendable>: Sendable {
    private struct State {
        var value: Value
        var version = 1
        var isFinished = false
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
    }

    private let state: Mutex<State>

    init(_ value: Value) {
        state = Mutex(State(value: value))
    }

    /// Sets the value and wakes the waiting tasks.
    func update(_ value: Value) {
        change { state in
            state.value = value
            state.version += 1
        }
    }

    /// Marks the current value as the last one.
    func finish() {
        change { $0.isFinished = true }
    }

    /// Waits for a value newer than a version; returns nil if there will be none or the task is cancelled.
    func value(newerThan version: Int) async -> (value: Value, version: Int)? {
        while !Task.isCancelled {
            let (current, isFinished) = state.withLock { (($0.value, $0.version), $0.isFinished) }
            if current.1 > version { return current }
            if isFinished { return nil }
            await wait(forNewerThan: version)
        }
        return nil
    }

    private func change(_ body: (inout State) -> Void) {
        let waiters = state.withLock { state in
            body(&state)
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume() }
    }

    private func wait(forNewerThan version: Int) async {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard state.version <= version, !state.isFinished, !Task.isCancelled else { return false }
                    state.waiters[number] = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
        }
    }
}
