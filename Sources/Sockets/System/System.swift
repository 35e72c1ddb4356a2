/// The interface of the data plane to the operating system. It is implemented by Linux or, in tests, by a scripted
/// fake.
///
/// One system belongs to one thread. All code above it is generic over it and specialized for ``LinuxSystem``, so the
/// abstraction has no cost. Only ``wait(until:)`` blocks, and no call makes a decision: there is no policy here.
public protocol System: ~Copyable {
    associatedtype SystemWaker: Waker

    // MARK: Clock

    /// Returns the time of the monotonic clock.
    mutating func now() -> Instant

    // MARK: Poller

    /// The handle that ends ``wait(until:)``; the batch then contains an event with the token passed to `init`.
    var waker: SystemWaker { get }

    /// Registers a descriptor. Closing the descriptor ends the registration.
    mutating func register(_ descriptor: borrowing Descriptor, for readiness: Readiness, token: Token) -> SystemError?

    /// Changes the readiness for which a descriptor is registered.
    mutating func modify(_ descriptor: borrowing Descriptor, for readiness: Readiness, token: Token) -> SystemError?

    /// Ends the registration of a descriptor whose socket stays open in another process after it is closed here.
    mutating func unregister(_ descriptor: borrowing Descriptor)

    /// Waits for events. Returns immediately if the deadline has passed, and waits indefinitely if there is none. May
    /// return without events before the deadline.
    ///
    /// - Returns: The number of events. They must be read with ``event(_:)`` before the next wait.
    mutating func wait(until deadline: Instant?) -> Int

    /// Whether timeouts may be applied after the last wait: it may have reached its deadline, and it returned all
    /// readiness that existed. False if it was interrupted, or if more events may be ready than one batch holds: after
    /// the process was stopped, the bytes that arrived in that time must be processed before the timeouts.
    var mayHaveTimedOut: Bool { get }

    /// Returns the present readiness of a descriptor (poll(2)), including readiness that a wait has not returned yet.
    mutating func readiness(of descriptor: borrowing Descriptor) -> Readiness

    /// Returns the event at an index of the last batch.
    mutating func event(_ index: Int) -> PollEvent

    // MARK: Sockets

    /// Opens a listening socket. If the address is that of all interfaces and IPv6 is not available, listens on all IPv4
    /// interfaces; ``localAddress(of:)`` returns the actual address.
    mutating func listen(at address: SocketAddress, options: ListenOptions) throws(SystemError) -> Descriptor

    /// Returns the address to which a socket is bound, with port 0 resolved.
    mutating func localAddress(of descriptor: borrowing Descriptor) throws(SystemError) -> SocketAddress

    /// Changes the options of a listening socket, except for how it shares its address. An option that the system
    /// rejects stays unchanged.
    mutating func adjust(_ listener: borrowing Descriptor, to options: ListenOptions)

    /// Stops new connections to a listening socket; handshakes in progress still complete.
    mutating func stopHandshakes(on listener: borrowing Descriptor)

    /// Accepts the next connection from the accept queue of a listening socket.
    mutating func accept(from listener: borrowing Descriptor) -> AcceptResult

    /// Starts to connect. The descriptor becomes writable when the connect has succeeded or failed.
    mutating func connect(
        to address: borrowing RawAddress,
        from source: borrowing RawAddress?,
        options: borrowing SocketOptions
    ) throws(SystemError) -> Descriptor

    /// Whether a connection to an address may be a connection of the socket to itself, which must be checked with
    /// ``isConnectedToItself(_:)`` when it is established. No system call.
    mutating func mayConnectToItself(_ address: borrowing RawAddress) -> Bool

    /// Whether a connected socket is connected to itself: the system chose the port of the destination as the local
    /// port, and TCP connected the two (RFC 9293, 3.5, simultaneous open). No server is there.
    mutating func isConnectedToItself(_ descriptor: borrowing Descriptor) -> Bool

    /// Returns the pending error of a descriptor and clears it: the cause of a failed connect.
    mutating func takeError(of descriptor: borrowing Descriptor) -> SystemError?

    mutating func receive(from descriptor: borrowing Descriptor, into buffer: UnsafeMutableRawBufferPointer) -> IOResult

    mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> IOResult

    /// Sends a FIN after the queued data.
    mutating func endSending(on descriptor: borrowing Descriptor) -> SystemError?

    /// Returns the number of bytes sent and not yet acknowledged by the peer's kernel.
    mutating func unacknowledged(on descriptor: borrowing Descriptor) -> Int

    mutating func close(_ descriptor: consuming Descriptor)

    /// Closes immediately, discards queued data, and sends a reset to the peer.
    mutating func abort(_ descriptor: consuming Descriptor)

    /// Sends a delayed acknowledgment immediately. ``connect(to:from:options:)`` delays the last ACK of the handshake
    /// so that the first data can carry it; until then the server does not know that the connection is established.
    mutating func sendDelayedACK(on descriptor: borrowing Descriptor)

    /// Enables keepalive probes for a silent connection.
    mutating func keepAlive(_ keepAlive: KeepAlive, on descriptor: borrowing Descriptor)

    /// Sets the number of bytes that must be queued before a descriptor is reported as readable (SO_RCVLOWAT,
    /// socket(7)). EOF and errors are reported in any case.
    mutating func setReceiveLowWater(of descriptor: borrowing Descriptor, to count: Int)

    /// Returns the number of bytes in the receive queue of a socket (SIOCINQ, tcp(7)); EOF and errors do not count.
    mutating func unreadBytes(on descriptor: borrowing Descriptor) -> Int

    /// Returns the time since data was last sent or received; nil if the kernel does not know it, as for Unix sockets.
    mutating func idleTime(of descriptor: borrowing Descriptor) -> Duration?

    /// Returns the approximate number of bytes that a send would accept now.
    mutating func availableSendBuffer(of descriptor: borrowing Descriptor) -> Int

    // MARK: Pipes

    /// Reads bytes from a pipe.
    mutating func read(from descriptor: borrowing Descriptor, into buffer: UnsafeMutableRawBufferPointer) -> IOResult

    /// Creates a pipe for splicing with the requested capacity in bytes, or the closest that the system allows.
    mutating func pipe(capacity: Int) throws(SystemError) -> Pipe

    /// Moves bytes without copying them; one of the two descriptors must be an end of a pipe.
    mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) -> IOResult

    // MARK: Memory

    /// Allocates zeroed pages of their own mapping; returns nil if the system is out of memory or mappings.
    ///
    /// - Parameters:
    ///   - bytes: The size; it is rounded up to whole pages.
    ///   - alignment: A power of two; the pages begin at a multiple of it.
    mutating func allocatePages(_ bytes: Int, alignedTo alignment: Int) -> UnsafeMutableRawPointer?
}

extension System where Self: ~Copyable {
    /// Default: memory of the process.
    public mutating func allocatePages(_ bytes: Int, alignedTo alignment: Int) -> UnsafeMutableRawPointer? {
        SystemMemory.allocatePages(bytes, alignedTo: alignment)
    }

    /// Default for systems without this information.
    public var mayHaveTimedOut: Bool { true }

    /// Default for systems whose sockets never connect to themselves.
    public mutating func mayConnectToItself(_ address: borrowing RawAddress) -> Bool { false }

    /// Default for systems whose sockets never connect to themselves.
    public mutating func isConnectedToItself(_ descriptor: borrowing Descriptor) -> Bool { false }

    /// Default for systems whose waits return all readiness.
    public mutating func readiness(of descriptor: borrowing Descriptor) -> Readiness { [] }

    /// Default for systems whose sockets are never shared with another process.
    public mutating func unregister(_ descriptor: borrowing Descriptor) {}

    /// Default for systems without listening sockets.
    public mutating func adjust(_ listener: borrowing Descriptor, to options: ListenOptions) {}

    /// Default for systems without listening sockets, or whose handshakes complete immediately.
    public mutating func stopHandshakes(on listener: borrowing Descriptor) {}

    /// Default for systems without delayed acknowledgments.
    public mutating func sendDelayedACK(on descriptor: borrowing Descriptor) {}

    /// Default for systems whose peers never disappear silently.
    public mutating func keepAlive(_ keepAlive: KeepAlive, on descriptor: borrowing Descriptor) {}

    /// Default for systems that ignore this hint and report more events.
    public mutating func setReceiveLowWater(of descriptor: borrowing Descriptor, to count: Int) {}

    /// Default for systems without this information: there may be more to read, and a read finds out.
    public mutating func unreadBytes(on descriptor: borrowing Descriptor) -> Int { 1 }

    /// Default for systems without an estimate: the send itself finds out.
    public mutating func availableSendBuffer(of descriptor: borrowing Descriptor) -> Int { .max }

    /// The default implementation knows no time.
    public mutating func idleTime(of descriptor: borrowing Descriptor) -> Duration? { nil }

    /// Default for systems whose ``pipe(capacity:)`` always fails.
    public mutating func read(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        .failed(.invalidArgument)
    }
}
