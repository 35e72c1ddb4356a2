import CLinux
import Glibc
public import Sockets

/// The limit on the threads of a process (getrlimit(2), RLIMIT_NPROC; cgroups, pids.max).
///
/// The libraries of the program create threads when they need them, and wait or trap if the system refuses one. So it is
/// checked in advance that enough threads can be created.
public enum ThreadLimit {
    /// The number of threads that the Swift runtime and Dispatch may create: one per processor for tasks, and a few for
    /// signals, timers and blocking writes.
    public static var runtimeThreads: Int { Processors.available + 4 }

    /// The number of threads that SwiftNIO may create for connections of the control plane.
    public static var networkThreads: Int { Processors.available + 1 }

    /// Checks that a number of threads can be created in addition to the present ones: creates them, and ends them.
    ///
    /// - Throws: ``ThreadLimitError``.
    public static func check(_ count: Int) throws(ThreadLimitError) {
        let gate = Gate()
        var threads: [pthread_t] = []
        var code: Int32 = 0
        while threads.count < count, code == 0 {
            var thread = pthread_t()
            code = pthread_create(
                &thread,
                // Stacks of the usual size, because a limit on address space refuses threads, too.
                nil,
                { argument in
                    Unmanaged<Gate>.fromOpaque(argument!).takeUnretainedValue().wait()
                    return nil
                },
                Unmanaged.passUnretained(gate).toOpaque()
            )
            if code == 0 { threads.append(thread) }
        }
        gate.open()
        for thread in threads { pthread_join(thread, nil) }
        withExtendedLifetime(gate) {}
        if code != 0 { throw ThreadLimitError(wanted: count, cause: SystemError(code: code)) }
    }

    /// Holds threads until it is opened.
    private final class Gate {
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

        init() {
            pthread_mutex_init(mutex, nil)
            pthread_mutex_lock(mutex)
        }

        deinit {
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
        }

        func open() { pthread_mutex_unlock(mutex) }

        func wait() {
            pthread_mutex_lock(mutex)
            pthread_mutex_unlock(mutex)
        }
    }
}

/// The system refuses threads that the process needs.
public struct ThreadLimitError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The number of threads.
    public let wanted: Int
    /// The error of pthread_create(3).
    public let cause: SystemError

    /// Creates the error.
    public init(wanted: Int, cause: SystemError) {
        self.wanted = wanted
        self.cause = cause
    }

    /// One sentence that states the cause and how to fix it.
    public var description: String {
        "cannot start \(wanted) threads: \(cause): raise the limit on processes (ulimit -u, or pids.max of the cgroup) or on memory (ulimit -v)"
    }
}
