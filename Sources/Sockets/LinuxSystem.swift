import Glibc
public import CLinux

/// The real system: epoll, sockets and pipes of this kernel.
///
/// The calls on the way of a byte are `@inlinable`, so that code generic over `System` is specialised in other modules
/// down to the call into C.
public struct LinuxSystem: System, ~Copyable {
    @usableFromInline let poller: Int32
    @usableFromInline let events: UnsafeMutablePointer<linux_event>
    @usableFromInline let batch: Int32
    /// Ends a wait at its deadline. Set only where a wait's deadline is sooner than the one before, so that most waits need
    /// neither the time nor a timer in the kernel.
    @usableFromInline let timer: Int32
    /// When the timer expires; the last moment there is if it is not set.
    @usableFromInline var timerSetFor = Instant(nanoseconds: .max)
    @inlinable public var mayHaveTimedOut: Bool { _mayHaveTimedOut }
    @usableFromInline var _mayHaveTimedOut = true
    public let waker: LinuxWaker

    /// - Parameters:
    ///   - batch: how many events one wait may return.
    ///   - wakerToken: the token under which a wake-up is reported.
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
    public mutating func reregister(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? {
        control(EPOLL_CTL_MOD, descriptor, readiness, token)
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

    /// No token of a user's has this: it would be of slot 2^32 - 1.
    @usableFromInline static var timerToken: UInt64 { .max }

    @inlinable @inline(__always)
    public mutating func wait(until deadline: Instant?) -> Int {
        var timeout: Int32 = -1
        if let deadline {
            if deadline.nanoseconds == 0 {
                timeout = 0
            } else if deadline < timerSetFor {
                linux_timer_set(timer, deadline.nanoseconds)
                timerSetFor = deadline
            }
        }
        _mayHaveTimedOut = timeout == 0
        let count = linux_epoll_wait(poller, events, batch, timeout)
        // Interrupted by a signal: an empty batch, after which the caller looks at its timers and comes back.
        if count == -Int64(EINTR) {
            _mayHaveTimedOut = true
            return 0
        }
        if count < 0 { preconditionFailure("epoll_wait: \(SystemError(result: count))") }
        return removeTimerEvent(Int(count))
    }

    /// Takes the timer's event out of the batch.
    @inlinable @inline(__always)
    mutating func removeTimerEvent(_ count: Int) -> Int {
        for index in 0..<count where linux_event_token(events + index) == Self.timerToken {
            timerSetFor = Instant(nanoseconds: .max)
            _mayHaveTimedOut = true
            if index < count - 1 { (events + index).update(from: events + index + 1, count: count - 1 - index) }
            return count - 1
        }
        return count
    }

    @inlinable
    public mutating func event(_ index: Int) -> PollEvent {
        let event = events + index
        return PollEvent(
            token: Token(bits: linux_event_token(event)),
            readiness: Readiness(rawValue: linux_event_bits(event))
        )
    }

    // MARK: Sockets

    public mutating func listen(
        at address: SocketAddress,
        options: ListenOptions
    ) throws(SystemError) -> Descriptor {
        var raw = RawAddress(address)
        let descriptor = try Self.socket(family: raw.family)
        do throws(SystemError) {
            if !raw.isUnix {
                try Self.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
                if options.sharing == .joining { try Self.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
                if raw.family == AF_INET6 { try Self.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
                try Self.apply(options.connection, to: descriptor)
            }
            try Self.check(linux_bind(descriptor.number, &raw.address))
            // Bound without SO_REUSEPORT, so that an address in use is told from one that can be shared; set now, so
            // that our own other workers may join.
            if options.sharing == .founding, !raw.isUnix {
                try Self.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1)
            }
            try Self.check(linux_listen(descriptor.number, Int32(clamping: options.backlog)))
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    public mutating func localAddress(of descriptor: borrowing Descriptor) throws(SystemError) -> SocketAddress {
        var raw = RawAddress()
        try Self.check(linux_local_address(descriptor.number, &raw.address))
        return raw.socketAddress
    }

    public mutating func adjust(_ listener: borrowing Descriptor, to options: ListenOptions) {
        // A second listen(2) only sets the queue's length.
        _ = linux_listen(listener.number, Int32(clamping: options.backlog))
        if options.connection.keepAlive == nil { try? Self.set(listener, SOL_SOCKET, SO_KEEPALIVE, 0) }
        if options.connection.userTimeout == nil { try? Self.set(listener, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 0) }
        try? Self.apply(options.connection, to: listener)
    }

    /// A SYN is left unanswered, so the client's kernel repeats it a second later, and finds the next to listen there or
    /// nobody. A Unix socket has no handshake; where the kernel takes no filter, listening ends all the same.
    public mutating func stopHandshakes(on listener: borrowing Descriptor) {
        _ = linux_drop_syns(listener.number)
    }

    @inlinable
    public mutating func accept(from listener: borrowing Descriptor) -> Accepted {
        var raw = RawAddress()
        while true {
            let result = linux_accept(listener.number, &raw.address)
            if result >= 0 { return .connection(Descriptor(adopting: Int32(result)), peer: raw.peer) }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    public mutating func connect(
        to address: borrowing RawAddress,
        from source: borrowing RawAddress?,
        options: borrowing SocketOptions
    ) throws(SystemError) -> Descriptor {
        let descriptor = try Self.socket(family: address.family)
        do throws(SystemError) {
            if !address.isUnix {
                try Self.apply(options, to: descriptor)
                // The first data goes out with the acknowledgement of the handshake instead of after a bare one. Where
                // there is none to send, acknowledge(on:) sends it: the system itself would wait for 200 ms.
                try Self.set(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, 0)
                if var source = copy source, source.family == address.family {
                    // The port is picked at connect, where the destination counts too: 28,000 for each destination
                    // instead of 28,000 in all (ip(7), IP_BIND_ADDRESS_NO_PORT).
                    try Self.set(descriptor, Int32(IPPROTO_IP), 24, 1)
                    try Self.check(linux_bind(descriptor.number, &source.address))
                }
            }
            var target = copy address
            let result = linux_connect(descriptor.number, &target.address)
            if result < 0, result != -Int64(EINPROGRESS), result != -Int64(EINTR) {
                throw SystemError(result: result)
            }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    public mutating func takeError(of descriptor: borrowing Descriptor) -> SystemError? {
        var code: Int32 = 0
        let result = linux_get_option(descriptor.number, SOL_SOCKET, SO_ERROR, &code)
        if result < 0 { return SystemError(result: result) }
        return code == 0 ? nil : SystemError(code: code)
    }

    @inlinable
    public mutating func receive(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> Transfer {
        while true {
            let result = linux_receive(descriptor.number, buffer.baseAddress, buffer.count)
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    @inlinable
    public mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> Transfer {
        while true {
            let result = linux_send(descriptor.number, bytes.baseAddress, bytes.count)
            if result >= 0 { return .moved(Int(result)) }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    @inlinable
    public mutating func endSending(on descriptor: borrowing Descriptor) -> SystemError? {
        let result = linux_shutdown_sending(descriptor.number)
        return result < 0 ? SystemError(result: result) : nil
    }

    public mutating func unacknowledged(on descriptor: borrowing Descriptor) -> Int {
        Int(max(0, linux_unacknowledged(descriptor.number)))
    }

    @inlinable
    public mutating func close(_ descriptor: consuming Descriptor) {
        // close(2) frees the number even where it reports an error, so there is nothing to retry and nobody to tell.
        linux_close(descriptor.release())
    }

    public mutating func abort(_ descriptor: consuming Descriptor) {
        let number = descriptor.release()
        linux_abort_on_close(number)
        linux_close(number)
    }

    public mutating func acknowledge(on descriptor: borrowing Descriptor) {
        linux_set_option(descriptor.number, Int32(IPPROTO_TCP), TCP_QUICKACK, 1)
    }

    public mutating func keepAlive(_ keepAlive: KeepAlive, on descriptor: borrowing Descriptor) {
        // A connection that the system would not probe is none that it would not relay.
        try? Self.apply(keepAlive, to: descriptor)
    }

    public mutating func setReceiveLowWater(of descriptor: borrowing Descriptor, to count: Int) {
        // Only a hint: where it is refused the poller wakes us more often.
        linux_set_option(descriptor.number, SOL_SOCKET, SO_RCVLOWAT, Int32(clamping: count))
    }

    @inlinable
    public mutating func unreadBytes(on descriptor: borrowing Descriptor) -> Int {
        let result = linux_unread(descriptor.number)
        // Where the system does not say there may be more, and a read finds out.
        return result < 0 ? 1 : Int(result)
    }

    public mutating func sendRoom(of descriptor: borrowing Descriptor) -> Int {
        var size: Int32 = 0
        linux_get_option(descriptor.number, SOL_SOCKET, SO_SNDBUF, &size)
        // Half of what the system reports is for its own bookkeeping (socket(7), SO_SNDBUF).
        return max(0, Int(size) / 2 - unacknowledged(on: descriptor))
    }

    // MARK: Pipes

    public mutating func read(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> Transfer {
        while true {
            let result = linux_read(descriptor.number, buffer.baseAddress, buffer.count)
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    public mutating func pipe(capacity: Int) throws(SystemError) -> Pipe {
        // Not an array, which would be allocated.
        var ends: (output: Int32, input: Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &ends) {
            linux_pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self))
        }
        try Self.check(result)
        let granted = linux_pipe_set_size(ends.input, Int32(clamping: capacity))
        // Past an unprivileged user's share of pipe pages the size stays what it was (pipe(7)): 64 KiB, or two pages.
        let actual = granted > 0 ? granted : Int64(fcntl(ends.input, 1032))
        return Pipe(
            input: Descriptor(adopting: ends.input),
            output: Descriptor(adopting: ends.output),
            capacity: Int(max(0, actual))
        )
    }

    @inlinable
    public mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) -> Transfer {
        while true {
            let result = linux_splice(source.number, sink.number, count)
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }
}

// MARK: - Helpers

extension LinuxSystem {
    /// A second descriptor of the same open socket (dup(2)).
    public static func duplicate(_ number: Int32) throws(SystemError) -> Descriptor {
        let result = linux_duplicate(number)
        if result < 0 { throw SystemError(result: result) }
        return Descriptor(adopting: Int32(result))
    }

    /// Finds out whether outgoing connections can have a local address, by binding a socket to it and closing that.
    public static func tryBinding(to address: InternetAddress) throws(SystemError) {
        var raw = RawAddress(address)
        raw.clearPort()
        let descriptor = try socket(family: raw.family)
        let result = linux_bind(descriptor.number, &raw.address)
        linux_close(descriptor.release())
        try check(result)
    }

    private static func socket(family: Int32) throws(SystemError) -> Descriptor {
        let result = linux_socket(family)
        if result < 0 { throw SystemError(result: result) }
        return Descriptor(adopting: Int32(result))
    }

    private static func check(_ result: Int64) throws(SystemError) {
        if result < 0 { throw SystemError(result: result) }
    }

    private static func set(
        _ descriptor: borrowing Descriptor,
        _ level: Int32,
        _ name: Int32,
        _ value: Int32
    ) throws(SystemError) {
        try check(linux_set_option(descriptor.number, level, name, value))
    }

    private static func apply(
        _ options: borrowing SocketOptions,
        to descriptor: borrowing Descriptor
    ) throws(SystemError) {
        let tcp = Int32(IPPROTO_TCP)
        // What is written has been received already: to hold it back for more (RFC 896) would only delay it.
        try set(descriptor, tcp, TCP_NODELAY, 1)
        // An urgent byte stays in its place in the stream. Out of line it would be lost.
        try set(descriptor, SOL_SOCKET, SO_OOBINLINE, 1)
        if let keepAlive = options.keepAlive { try apply(keepAlive, to: descriptor) }
        if let userTimeout = options.userTimeout {
            try set(descriptor, tcp, TCP_USER_TIMEOUT, Int32(clamping: userTimeout.wholeNanoseconds / 1_000_000))
        }
        if let pacingRate = options.pacingRate {
            try set(descriptor, SOL_SOCKET, SO_MAX_PACING_RATE, Int32(clamping: pacingRate))
        }
    }

    private static func apply(
        _ keepAlive: KeepAlive,
        to descriptor: borrowing Descriptor
    ) throws(SystemError) {
        let tcp = Int32(IPPROTO_TCP)
        let seconds = Int32(clamping: max(1, keepAlive.interval.components.seconds))
        try set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        try set(descriptor, tcp, TCP_KEEPIDLE, min(seconds, 32_767))
        try set(descriptor, tcp, TCP_KEEPINTVL, min(seconds, 32_767))
        try set(descriptor, tcp, TCP_KEEPCNT, Int32(min(max(keepAlive.probes, 1), 127)))
    }
}

/// An eventfd in an epoll set. Edge-triggered: each signal is reported once, and nobody ever has to read it.
public final class LinuxWaker: Waker {
    private let descriptor: Int32

    fileprivate init(poller: Int32, token: Token) throws(SystemError) {
        let result = linux_eventfd()
        if result < 0 { throw SystemError(result: result) }
        descriptor = Int32(result)
        let bits = Readiness([.readable, .edgeTriggered]).rawValue
        let registered = linux_epoll_control(poller, EPOLL_CTL_ADD, descriptor, bits, token.bits)
        if registered < 0 {
            linux_close(descriptor)
            throw SystemError(result: registered)
        }
    }

    public func wake() {
        _ = linux_eventfd_signal(descriptor)
    }

    deinit {
        linux_close(descriptor)
    }
}
