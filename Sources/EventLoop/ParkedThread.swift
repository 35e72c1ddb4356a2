import Dispatch
public import Sockets
import Synchronization

/// A thread that has been created and waits for its work, so that a refusal by the system is known before anything
/// depends on the thread.
///
/// Without work, the thread ends when this object is deallocated.
public final class ParkedThread: Sendable {
    private final class Work: Sendable {
        private let body = Mutex<(@Sendable () -> Void)?>(nil)
        private let isKnown = DispatchSemaphore(value: 0)

        func set(_ body: (@Sendable () -> Void)?) {
            self.body.withLock { $0 = body }
            isKnown.signal()
        }

        func perform() {
            isKnown.wait()
            body.withLock { $0.take() }?()
        }
    }

    private let work = Work()
    private let thread: WorkerThread
    private let isStarted = Mutex(false)

    /// Creates a thread.
    ///
    /// - Parameter name: The name shown by tools; truncated to 15 bytes.
    /// - Throws: The error with which the system refuses another thread.
    public init(name: String) throws(SystemError) {
        thread = try WorkerThread.start(name: name) { [work] in work.perform() }
    }

    deinit {
        if !isStarted.withLock({ $0 }) { work.set(nil) }
    }

    /// Gives the thread its work; it exits when the work returns. To be called once.
    public func start(_ body: @escaping @Sendable () -> Void) -> WorkerThread {
        let isFirst = isStarted.withLock { isStarted in
            defer { isStarted = true }
            return !isStarted
        }
        precondition(isFirst, "a thread was given work twice")
        work.set(body)
        return thread
    }
}
