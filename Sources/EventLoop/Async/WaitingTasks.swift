import Synchronization

/// The tasks that wait for a change of some state, which the owner protects by a lock of its own.
public final class WaitingTasks: Sendable {
    private struct State {
        var continuations: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextNumber: UInt64 = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// Waits until ``wakeAll()`` is called. Returns immediately if the state is ready or the task is canceled.
    ///
    /// - Parameter isReady: reads the state. No change is missed, because ``wakeAll()`` is called after each change and
    ///   does not run at the same time.
    public func wait(unless isReady: () -> Bool) async {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    // A task that is canceled after this check is in the list by the time the handler below takes the
                    // lock.
                    guard !Task.isCancelled, !isReady() else { return false }
                    state.continuations[number] = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.continuations.removeValue(forKey: number) }?.resume()
        }
    }

    /// Wakes all waiting tasks. The owner calls this after each change of the state, without holding its lock.
    public func wakeAll() {
        let continuations = state.withLock { state in
            defer { state.continuations = [:] }
            return state.continuations
        }
        for continuation in continuations.values { continuation.resume() }
    }
}
