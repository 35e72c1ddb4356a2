import CLinux
import Glibc
import Synchronization

/// A thread of its own for synchronous work, whose end asynchronous code can await.
public final class WorkerThread: Sendable {
    private enum State {
        case running(waiters: [CheckedContinuation<Void, Never>])
        case ended
    }

    private let state = Mutex(State.running(waiters: []))

    private init() {}

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: as tools show it; the system cuts it to 15 bytes (prctl(2), PR_SET_NAME).
    ///   - body: what it does; the thread ends with it.
    public static func start(name: String, body: @escaping @Sendable () -> Void) -> WorkerThread {
        let worker = WorkerThread()
        let start = Unmanaged.passRetained(
            Start {
                linux_name_thread(name)
                blockSignals()
                body()
                worker.finish()
            }
        )
        var thread = pthread_t()
        let result = pthread_create(
            &thread,
            nil,
            { argument in
                Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            },
            start.toOpaque()
        )
        precondition(result == 0, "cannot start a thread: \(String(cString: strerror(result)))")
        pthread_detach(thread)
        return worker
    }

    /// Returns when the thread has ended.
    public func join() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                guard case .running(let waiters) = state else { return true }
                state = .running(waiters: waiters + [continuation])
                return false
            }
            if hasEnded { continuation.resume() }
        }
    }

    private func finish() {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            defer { state = .ended }
            guard case .running(let waiters) = state else { return [] }
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Signals are the control plane's: here they would only interrupt waits.
    private static func blockSignals() {
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, nil)
    }

    private final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}

/// Carries a value that cannot be copied into the one thread that will own it.
public final class Handover<Value: ~Copyable & SendableMetatype>: Sendable {
    private let value: Mutex<Value?>

    public init(_ value: consuming sending Value) {
        self.value = Mutex(value)
    }

    /// The value, for the first who asks.
    public func take() -> sending Value? {
        value.withLock { value in value.take() }
    }
}
