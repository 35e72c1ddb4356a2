import Glibc
import Sockets

/// A timer of the monotonic clock that is a descriptor (timerfd_create(2)), to end a wait on a poller.
///
/// Edge-triggered in the poller, and never read: to set it anew also makes it unreadable again.
struct PreciseTimer: ~Copyable {
    let number: Int32
    private let setTime: SetTime

    // Glibc's module map has no <sys/timerfd.h>, so the two functions are looked up by name in the C library, which is in
    // every process.
    private typealias Create = @convention(c) (Int32, Int32) -> Int32
    private typealias SetTime =
        @convention(c) (Int32, Int32, UnsafePointer<itimerspec>, UnsafeMutablePointer<itimerspec>?) -> Int32

    init() throws(SystemError) {
        guard let create = dlsym(nil, "timerfd_create"), let setTime = dlsym(nil, "timerfd_settime") else {
            throw SystemError(code: ENOSYS)
        }
        // TFD_CLOEXEC and TFD_NONBLOCK are the flags of open(2).
        let number = unsafeBitCast(create, to: Create.self)(CLOCK_MONOTONIC, O_CLOEXEC | O_NONBLOCK)
        if number < 0 { throw SystemError(code: errno) }
        self.number = number
        self.setTime = unsafeBitCast(setTime, to: SetTime.self)
    }

    deinit {
        close(number)
    }

    /// Readable from then on; a moment that has passed is at once.
    func set(to deadline: Instant) {
        var time = itimerspec()
        // All zeros would switch the timer off.
        let nanoseconds = max(1, min(deadline.nanoseconds, 1 << 62))
        time.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
        time.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        // 1 is TFD_TIMER_ABSTIME. It fails for bad arguments only.
        let result = setTime(number, 1, &time, nil)
        precondition(result == 0, "timerfd_settime failed")
    }
}
