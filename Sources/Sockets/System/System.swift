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

    /// Waits for events. Returns immediately if the deadline has passed, and waits indefinitely if there is none. May
    /// return without events before the deadline.
    ///
    /// - Returns: The number of events. They must be read with ``event(_:)`` before the next wait.
    mutating func wait(until deadline: Instant?) -> Int

    /// Whether the last wait may have reached its deadline; if false, no timer is due.
    var mayHaveTimedOut: Bool { get }

    /// Returns the event at an index of the last batch.
    mutating func event(_ index: Int) -> PollEvent

    // MARK: Sockets

    /// Opens a listening socket.
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
}

extension System where Self: ~Copyable {
    /// Default for systems without this information.
    public var mayHaveTimedOut: Bool { true }

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

    /// Default for systems whose ``pipe(capacity:)`` always fails.
    public mutating func read(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        .failed(.invalidArgument)
    }
}

/// The result of a receive, a send or a splice.
public enum IOResult {
    /// The number of bytes moved, at least 1.
    case moved(Int)
    /// No bytes can be moved now; the poller reports when they can.
    case wouldBlock
    /// The peer has sent its FIN: there are no more bytes.
    case ended
    case failed(SystemError)
}

/// The result of accepting from a listening socket.
public enum AcceptResult: ~Copyable {
    case connection(Descriptor, peer: PeerAddress)
    /// The accept queue is empty.
    case wouldBlock
    case failed(SystemError)
}

/// The two ends of a pipe. Frozen, so that other modules can move the descriptors out to close them.
@frozen
public struct Pipe: ~Copyable {
    /// The write end.
    public var input: Descriptor
    /// The read end.
    public var output: Descriptor
    /// The capacity in bytes; may be less than requested.
    public let capacity: Int

    @inlinable
    public init(input: consuming Descriptor, output: consuming Descriptor, capacity: Int) {
        self.input = input
        self.output = output
        self.capacity = capacity
    }
}

/// The options of a connected socket. Accepted connections inherit them from the listening socket.
public struct SocketOptions: Sendable, Equatable {
    /// Keepalive probes of an idle connection (socket(7), SO_KEEPALIVE); nil disables them.
    public var keepAlive: KeepAlive?
    /// The maximum time that sent data may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482); nil uses the system's
    /// default.
    public var tcpUserTimeout: Duration?
    /// The maximum send rate in bytes per second (SO_MAX_PACING_RATE, socket(7)), 1 to 2,147,483,647; nil is unlimited.
    public var pacingRate: Int?

    public init(keepAlive: KeepAlive? = nil, tcpUserTimeout: Duration? = nil, pacingRate: Int? = nil) {
        self.keepAlive = keepAlive
        self.tcpUserTimeout = tcpUserTimeout
        self.pacingRate = pacingRate
    }
}

/// The timing of keepalive probes and the number of unanswered probes after which a connection fails.
public struct KeepAlive: Sendable, Equatable {
    /// The idle time before the first probe and the interval between probes; whole seconds, 1 s to 32,767 s.
    public var interval: Duration
    /// The number of unanswered probes after which the connection fails, 1 to 127.
    public var probes: Int

    public init(interval: Duration, probes: Int = 3) {
        self.interval = interval
        self.probes = probes
    }
}

/// The options with which a listening socket is opened.
public struct ListenOptions: Sendable, Equatable {
    /// Whether other sockets may share the address.
    public enum Sharing: Sendable {
        /// No other socket may listen on the address.
        case exclusive
        /// No other socket may listen on the address when it is bound; afterwards sockets opened with `.portMember` may.
        case portOwner
        /// This socket joins the sockets that share the address (SO_REUSEPORT, socket(7)).
        case portMember
    }

    public var sharing: Sharing
    /// The backlog: the maximum length of the accept queue. The system limits it to net.core.somaxconn.
    public var backlog: Int
    public var connection: SocketOptions

    public init(sharing: Sharing = .exclusive, backlog: Int = 4096, connection: SocketOptions = .init()) {
        self.sharing = sharing
        self.backlog = backlog
        self.connection = connection
    }
}
