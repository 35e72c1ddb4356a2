import Synchronization

/// Asynchronous semaphore: limits how many tasks run a section at the same time. Tasks acquire it in FIFO order.
public final class AsyncSemaphore: Sendable {
    /// All operations take constant time, amortized: the tasks of thousands of servers may wait.
    private struct State {
        var free: Int
        /// The waiting tasks, by ticket.
        var waiting: [Int: CheckedContinuation<Bool, Never>] = [:]
        /// Tickets in FIFO order from `head` on, also of tasks that no longer wait.
        var order: [Int] = []
        var head = 0
        var nextTicket = 0

        mutating func append(_ ticket: Int, _ continuation: CheckedContinuation<Bool, Never>) {
            waiting[ticket] = continuation
            order.append(ticket)
        }

        mutating func popFirst() -> CheckedContinuation<Bool, Never>? {
            while head < order.count {
                head += 1
                let continuation = waiting.removeValue(forKey: order[head - 1])
                if head > order.count / 2 {
                    order.removeFirst(head)
                    head = 0
                }
                if let continuation { return continuation }
            }
            return nil
        }
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
            state.withLock { $0.waiting.removeValue(forKey: ticket) }?.resume(returning: false)
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
        let next = state.withLock { state in
            let next = state.popFirst()
            if next == nil { state.free += 1 }
            return next
        }
        next?.resume(returning: true)
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
                state.append(ticket, continuation)
                return nil
            }
            if let isAcquired { continuation.resume(returning: isAcquired) }
        }
    }
}
