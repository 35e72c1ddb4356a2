import Glibc
import Sockets

/// A timer descriptor on the monotonic clock (timerfd_create(2)), used to end a wait on a poller.
///
/// Registered edge-triggered and never read: setting it again also clears its readability.
struct PreciseTimer: ~Copyable {
    let number: Int32
    private let setTime: SetTime

    // Glibc's module map lacks <sys/timerfd.h>, so the two functions are looked up by name in the C library, which is
    // loaded in every process.
    private typealias Create = @convention(c) (Int32, Int32) -> Int32
    private typealias SetTime =
        @convention(c) (Int32, Int32, UnsafePointer<itimerspec>, UnsafeMutablePointer<itimerspec>?) -> Int32

    init() throws(SystemError) {
        guard let create = dlsym(nil, "timerfd_create"), let setTime = dlsym(nil, "timerfd_settime") else {
            throw SystemError(code: ENOSYS)
        }
        // TFD_CLOEXEC and TFD_NONBLOCK have the values of O_CLOEXEC and O_NONBLOCK.
        let number = unsafeBitCast(create, to: Create.self)(CLOCK_MONOTONIC, O_CLOEXEC | O_NONBLOCK)
        if number < 0 { throw SystemError(code: errno) }
        self.number = number
        self.setTime = unsafeBitCast(setTime, to: SetTime.self)
    }

    deinit {
        close(number)
    }

    /// Makes the timer readable from `deadline` on; immediately if it has passed.
    func set(to deadline: Instant) {
        var time = itimerspec()
        // All zeros would disarm the timer.
        let nanoseconds = max(1, min(deadline.nanoseconds, 1 << 62))
        time.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
        time.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        // 1 is TFD_TIMER_ABSTIME. The call fails only for invalid arguments.
        let result = setTime(number, 1, &time, nil)
        precondition(result == 0, "timerfd_settime failed")
    }
}
