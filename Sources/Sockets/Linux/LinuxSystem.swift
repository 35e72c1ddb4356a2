import Glibc
public import CLinux

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
    public let waker: LinuxWaker

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
        // Interrupted by a signal: returns an empty batch; the caller processes its timers and waits again.
        if count == -Int64(EINTR) {
            _mayHaveTimedOut = true
            return 0
        }
        if count < 0 { preconditionFailure("epoll_wait: \(SystemError(result: count))") }
        return removeTimerEvent(Int(count))
    }

    /// Removes the timer's event from the batch.
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
                if options.sharing == .portMember { try Self.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
                if raw.family == AF_INET6 { try Self.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
                try Self.apply(options.connection, to: descriptor)
            }
            try Self.check(linux_bind(descriptor.number, &raw.address))
            // The socket was bound without SO_REUSEPORT, so that an address in use is reported even if it could be
            // shared. Setting the option now allows the process's other workers to share the address.
            if options.sharing == .portOwner, !raw.isUnix {
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
        // A second listen(2) only changes the backlog.
        _ = linux_listen(listener.number, Int32(clamping: options.backlog))
        if options.connection.keepAlive == nil { try? Self.set(listener, SOL_SOCKET, SO_KEEPALIVE, 0) }
        if options.connection.tcpUserTimeout == nil { try? Self.set(listener, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 0) }
        try? Self.apply(options.connection, to: listener)
    }

    /// Drops SYNs: the client's kernel retransmits the SYN a second later and reaches the next listener on the port, or
    /// is refused. A Unix socket has no handshake. If the kernel rejects the filter, the call has no effect and
    /// listening still ends with the close.
    public mutating func stopHandshakes(on listener: borrowing Descriptor) {
        _ = linux_drop_syns(listener.number)
    }

    @inlinable
    public mutating func accept(from listener: borrowing Descriptor) -> AcceptResult {
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
                // The first data carries the acknowledgment of the handshake, which saves a separate ACK. If there is
                // no data to send, `sendDelayedACK(on:)` sends it; the system would delay it by 200 ms.
                try Self.set(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, 0)
                if var source = copy source, source.family == address.family {
                    // Selects the port at connect(2), where the destination is part of the key: about 28,000 ports per
                    // destination instead of 28,000 in total (ip(7), IP_BIND_ADDRESS_NO_PORT).
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
    ) -> IOResult {
        while true {
            let result = linux_receive(descriptor.number, buffer.baseAddress, buffer.count)
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    @inlinable
    public mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> IOResult {
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
        // close(2) releases the number even if it reports an error, so the error is ignored.
        linux_close(descriptor.release())
    }

    public mutating func abort(_ descriptor: consuming Descriptor) {
        let number = descriptor.release()
        linux_abort_on_close(number)
        linux_close(number)
    }

    public mutating func sendDelayedACK(on descriptor: borrowing Descriptor) {
        linux_set_option(descriptor.number, Int32(IPPROTO_TCP), TCP_QUICKACK, 1)
    }

    public mutating func keepAlive(_ keepAlive: KeepAlive, on descriptor: borrowing Descriptor) {
        // A connection is relayed even if keepalive cannot be enabled.
        try? Self.apply(keepAlive, to: descriptor)
    }

    public mutating func setReceiveLowWater(of descriptor: borrowing Descriptor, to count: Int) {
        // Only a hint: if it fails, the poller reports more events.
        linux_set_option(descriptor.number, SOL_SOCKET, SO_RCVLOWAT, Int32(clamping: count))
    }

    @inlinable
    public mutating func unreadBytes(on descriptor: borrowing Descriptor) -> Int {
        let result = linux_unread(descriptor.number)
        // If the count is unavailable, there may be more to read; the next read finds out.
        return result < 0 ? 1 : Int(result)
    }

    public mutating func availableSendBuffer(of descriptor: borrowing Descriptor) -> Int {
        var size: Int32 = 0
        linux_get_option(descriptor.number, SOL_SOCKET, SO_SNDBUF, &size)
        // Half of the reported size is for kernel bookkeeping (socket(7), SO_SNDBUF).
        return max(0, Int(size) / 2 - unacknowledged(on: descriptor))
    }

    // MARK: Pipes

    public mutating func read(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        while true {
            let result = linux_read(descriptor.number, buffer.baseAddress, buffer.count)
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(SystemError(result: result)) }
        }
    }

    public mutating func pipe(capacity: Int) throws(SystemError) -> Pipe {
        // A tuple instead of an array avoids an allocation.
        var ends: (output: Int32, input: Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &ends) {
            linux_pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self))
        }
        try Self.check(result)
        let granted = linux_pipe_set_size(ends.input, Int32(clamping: capacity))
        // Beyond an unprivileged user's quota of pipe pages the size stays unchanged (pipe(7)): 64 KiB, or two pages.
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
    ) -> IOResult {
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
    /// Duplicates a descriptor (dup(2)).
    public static func duplicate(_ number: Int32) throws(SystemError) -> Descriptor {
        let result = linux_duplicate(number)
        if result < 0 { throw SystemError(result: result) }
        return Descriptor(adopting: Int32(result))
    }

    /// Checks whether outgoing connections can use a local address: binds a socket to it and closes the socket.
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
        // The proxy only writes data that it has already received: holding small segments back (Nagle, RFC 896) would
        // add delay.
        try set(descriptor, tcp, TCP_NODELAY, 1)
        // Keeps an urgent byte in line in the stream. Out of band it would be lost.
        try set(descriptor, SOL_SOCKET, SO_OOBINLINE, 1)
        if let keepAlive = options.keepAlive { try apply(keepAlive, to: descriptor) }
        if let tcpUserTimeout = options.tcpUserTimeout {
            try set(descriptor, tcp, TCP_USER_TIMEOUT, Int32(clamping: tcpUserTimeout.wholeNanoseconds / 1_000_000))
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

/// An eventfd in an epoll set. It is edge-triggered: each signal is reported once, and the eventfd never has to be
/// read.
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
