import Synchronization

/// Asynchronous semaphore with FIFO order: limits how many tasks run a section at the same time.
final class AsyncSemaphore: Sendable {
    private struct Waiter {
        let ticket: Int
        let turn: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var free: Int
        var queue: [Waiter] = []
        var nextTicket = 0
    }

    private let state: Mutex<State>

    /// - Parameter count: number of permits; less than 1 counts as 1.
    init(_ count: Int) {
        state = Mutex(State(free: max(1, count)))
    }

    /// Runs the body once a permit is available; returns nil if the task is canceled before that.
    func with<Value: Sendable>(_ body: () async -> Value) async -> Value? {
        guard await acquire() else { return nil }
        defer { release() }
        return await body()
    }

    private func acquire() async -> Bool {
        let ticket = state.withLock { state in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { turn in
                let isAdmitted: Bool? = state.withLock { state in
                    // A task that is canceled after this check is in the queue by the time the handler below takes the
                    // lock.
                    if Task.isCancelled { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.queue.append(Waiter(ticket: ticket, turn: turn))
                    return nil
                }
                if let isAdmitted { turn.resume(returning: isAdmitted) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.queue.firstIndex { $0.ticket == ticket }.map { state.queue.remove(at: $0) }
            }
            waiter?.turn.resume(returning: false)
        }
    }

    private func release() {
        let next = state.withLock { state -> Waiter? in
            if state.queue.isEmpty {
                state.free += 1
                return nil
            }
            return state.queue.removeFirst()
        }
        next?.turn.resume(returning: true)
    }
}
