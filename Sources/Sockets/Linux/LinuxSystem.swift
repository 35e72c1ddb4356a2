public import CLinux
import Glibc

/// The implementation of ``System`` for the Linux kernel: epoll, sockets and pipes.
///
/// The calls of the data path are `@inlinable`, so that generic code over `System` is specialized in other modules down
/// to the C call.
public struct LinuxSystem: System, ~Copyable {
    @usableFromInline let poller: Int32
    @usableFromInline let events: UnsafeMutablePointer<linux_event>
    @usableFromInline let batch: Int32
    /// The timer that ends a wait at its deadline. It is set only if the deadline is earlier than the one already set,
    /// so that most waits need neither the time nor a kernel timer.
    @usableFromInline let timer: Int32
    /// The expiry of the timer; the maximum if the timer is not set.
    @usableFromInline var timerSetFor = Instant(nanoseconds: .max)
    @inlinable public var mayHaveTimedOut: Bool { _mayHaveTimedOut }
    @usableFromInline var _mayHaveTimedOut = true
    /// Whether the deadline of a wait has passed, and timeouts have not been applied since.
    @usableFromInline var isTimerDue = false
    @usableFromInline var backlog = PollBacklog()
    public let waker: LinuxWaker
    /// The ports that the system may choose as the local port of a connection, as of the creation of this system.
    let localPorts = LocalPorts.range

    /// - Parameters:
    ///   - batch: The maximum number of events that one wait returns.
    ///   - wakerToken: The token with which a wake-up is reported.
    public init(batch: Int = 256, wakerToken: Token) throws(SystemError) {
        let poller = linux_epoll_create()
        if poller < 0 { throw SystemError(result: poller) }
        let timer = linux_timer()
        let watched =
            timer < 0
            ? timer
            : linux_epoll_control(
                Int32(poller),
                EPOLL_CTL_ADD,
                Int32(timer),
                Readiness([.readable, .edgeTriggered]).rawValue,
                Self.timerToken
            )
        if watched < 0 {
            if timer >= 0 { linux_close(Int32(timer)) }
            linux_close(Int32(poller))
            throw SystemError(result: watched)
        }
        do throws(SystemError) {
            waker = try LinuxWaker(poller: Int32(poller), token: wakerToken)
        } catch {
            linux_close(Int32(timer))
            linux_close(Int32(poller))
            throw error
        }
        self.timer = Int32(timer)
        self.poller = Int32(poller)
        self.batch = Int32(batch)
        events = .allocate(capacity: batch)
    }

    deinit {
        events.deallocate()
        linux_close(timer)
        linux_close(poller)
    }

    // MARK: Clock

    @inlinable
    public mutating func now() -> Instant {
        Instant(nanoseconds: linux_monotonic_nanoseconds())
    }

    // MARK: Poller

    @inlinable
    public mutating func register(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? {
        control(EPOLL_CTL_ADD, descriptor, readiness, token)
    }

    @inlinable
    public mutating func modify(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? {
        control(EPOLL_CTL_MOD, descriptor, readiness, token)
    }

    public mutating func unregister(_ descriptor: borrowing Descriptor) {
        _ = control(EPOLL_CTL_DEL, descriptor, [], Token(bits: 0))
    }

    @inlinable
    func control(
        _ operation: Int32,
        _ descriptor: borrowing Descriptor,
        _ readiness: Readiness,
        _ token: Token
    ) -> SystemError? {
        let result = linux_epoll_control(poller, operation, descriptor.number, readiness.rawValue, token.bits)
        return result < 0 ? SystemError(result: result) : nil
    }

    /// The token of the timer. It cannot collide with another token, because it would need slot 2^32 - 1.
    @usableFromInline static var timerToken: UInt64 { .max }

    @inlinable @inline(__always)
    public mutating func wait(until deadline: Instant?) -> Int {
        if let deadline {
            if deadline.nanoseconds == 0 {
                isTimerDue = true
            } else if deadline < timerSetFor, !isTimerDue {
                linux_timer_set(timer, deadline.nanoseconds)
                timerSetFor = deadline
            }
        }
        let count = linux_epoll_wait(poller, events, batch, isTimerDue ? 0 : -1)
        // Interrupted, possibly because the process was stopped and continues: returns an empty batch, and the next
        // wait returns the events.
        if count == -Int64(EINTR) {
            _mayHaveTimedOut = false
            return 0
        }
        if count < 0 { preconditionFailure("epoll_wait: \(SystemError(result: count))") }
        let isDrained = backlog.isDrained(after: Int(count), ofAtMost: Int(batch))
        let left = removeTimerEvent(Int(count))
        _mayHaveTimedOut = isTimerDue && isDrained
        if isDrained { isTimerDue = false }
        return left
    }

    /// Removes the timer's event from the batch.
    @inlinable @inline(__always)
    mutating func removeTimerEvent(_ count: Int) -> Int {
        for index in 0..<count where linux_event_token(events + index) == Self.timerToken {
            timerSetFor = Instant(nanoseconds: .max)
            isTimerDue = true
            if index < count - 1 { (events + index).update(from: events + index + 1, count: count - 1 - index) }
            return count - 1
        }
        return count
    }

    public mutating func readiness(of descriptor: borrowing Descriptor) -> Readiness {
        let result = linux_readiness(descriptor.number)
        return result < 0 ? [] : Readiness(rawValue: UInt32(truncatingIfNeeded: result))
    }

    @inlinable
    public mutating func event(_ index: Int) -> PollEvent {
        let event = events + index
        return PollEvent(
            token: Token(bits: linux_event_token(event)),
            readiness: Readiness(rawValue: linux_event_bits(event))
        )
    }
}
