import Synchronization

/// Latest value of a variable, which any number of tasks can follow without blocking the writer.
public final class LatestValue<Value: Sendable>: Sendable {
    private struct State {
        var value: Value
        var version = 1
        var isFinished = false
    }

    private let state: Mutex<State>
    private let readers = WaitingTasks()

    public init(_ value: Value) {
        state = Mutex(State(value: value))
    }

    /// Sets the value and wakes the waiting tasks.
    public func update(_ value: Value) {
        state.withLock { state in
            state.value = value
            state.version += 1
        }
        readers.wakeAll()
    }

    /// Marks the current value as the last one.
    public func finish() {
        state.withLock { $0.isFinished = true }
        readers.wakeAll()
    }

    /// Waits for a value newer than a version; returns nil if there will be none or the task is canceled.
    public func value(newerThan version: Int) async -> (value: Value, version: Int)? {
        while !Task.isCancelled {
            let (current, isFinished) = state.withLock { (($0.value, $0.version), $0.isFinished) }
            if current.1 > version { return current }
            if isFinished { return nil }
            await readers.wait(unless: { state.withLock { $0.version > version || $0.isFinished } })
        }
        return nil
    }
}
