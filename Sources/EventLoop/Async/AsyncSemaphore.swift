import Synchronization

/// Asynchronous semaphore: limits how many tasks run a section at the same time. Tasks acquire it in FIFO order.
public final class AsyncSemaphore: Sendable {
    private struct Waiter {
        let ticket: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var free: Int
        var queue: [Waiter] = []
        var nextTicket = 0
    }

    private let state: Mutex<State>

    /// - Parameter count: number of permits; less than 1 counts as 1.
    public init(_ count: Int) {
        state = Mutex(State(free: max(1, count)))
    }

    /// Runs the body once a permit is available; returns nil if the task is canceled before that.
    public func with<Value: Sendable>(_ body: () async -> Value) async -> Value? {
        let ticket = takeTicket()
        let isAcquired = await withTaskCancellationHandler {
            await acquire(ticket, isCancelable: true)
        } onCancel: {
            let waiter = state.withLock { state in
                state.queue.firstIndex { $0.ticket == ticket }.map { state.queue.remove(at: $0) }
            }
            waiter?.continuation.resume(returning: false)
        }
        guard isAcquired else { return nil }
        defer { release() }
        return await body()
    }

    /// Waits for a permit, even if the task is canceled. The caller must ``release()`` it.
    public func acquire() async {
        _ = await acquire(takeTicket(), isCancelable: false)
    }

    public func release() {
        let next = state.withLock { state -> Waiter? in
            if state.queue.isEmpty {
                state.free += 1
                return nil
            }
            return state.queue.removeFirst()
        }
        next?.continuation.resume(returning: true)
    }

    private func takeTicket() -> Int {
        state.withLock { state in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
    }

    private func acquire(_ ticket: Int, isCancelable: Bool) async -> Bool {
        await withCheckedContinuation { continuation in
            let isAcquired: Bool? = state.withLock { state in
                // A task that is canceled after this check is in the queue by the time the cancellation handler takes
                // the lock.
                if isCancelable, Task.isCancelled { return false }
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.queue.append(Waiter(ticket: ticket, continuation: continuation))
                return nil
            }
            if let isAcquired { continuation.resume(returning: isAcquired) }
        }
    }
}
