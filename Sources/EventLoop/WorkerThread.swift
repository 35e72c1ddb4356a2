import CLinux
import Glibc
public import Sockets
import Synchronization

/// A dedicated thread for synchronous work, whose end asynchronous code can await.
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
    ///   - name: The name shown by tools; truncated to 15 bytes (prctl(2), PR_SET_NAME).
    ///   - body: The work; the thread exits when it returns.
    /// - Throws: The error with which the system refuses another thread.
    public static func start(
        name: String,
        body: @escaping @Sendable () -> Void
    ) throws(SystemError) -> WorkerThread {
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
        guard result == 0 else {
            start.release()
            throw SystemError(code: result)
        }
        pthread_detach(thread)
        return worker
    }

    /// Runs a blocking operation on a thread of its own and returns its result.
    ///
    /// - Throws: The error with which the system refuses another thread.
    public static func run<Value: Sendable>(
        name: String,
        _ body: @escaping @Sendable () -> Value
    ) async throws(SystemError) -> Value {
        let result: Result<Value, SystemError> = await withCheckedContinuation { continuation in
            do throws(SystemError) {
                _ = try start(name: name) { continuation.resume(returning: .success(body())) }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
        return try result.get()
    }

    /// Waits until the thread has finished its work.
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

    /// Blocks all signals: they are handled by the control plane and would only interrupt waits here.
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
