/// All that the data plane asks of the world: the one seam, behind which stands Linux or, in tests, a scripted fake.
///
/// One system belongs to one thread. Everything above it is generic over it and specialised for ``LinuxSystem``, so the
/// seam costs nothing. No call blocks but ``wait(until:)``, and no call decides anything: there is no policy here.
public protocol System: ~Copyable {
    associatedtype SystemWaker: Waker

    // MARK: Clock

    /// The monotonic clock.
    mutating func now() -> Instant

    // MARK: Poller

    /// Wakes this system out of ``wait(until:)``; the batch then holds an event with the token given to `init`.
    var waker: SystemWaker { get }

    /// Starts to watch a descriptor. Closing it ends that by itself.
    mutating func register(_ descriptor: borrowing Descriptor, for readiness: Readiness, token: Token) -> SystemError?

    /// Changes what is watched.
    mutating func reregister(_ descriptor: borrowing Descriptor, for readiness: Readiness, token: Token) -> SystemError?

    /// Waits for events: not at all if the deadline has passed, without end if there is none. May return without events
    /// before the deadline.
    ///
    /// - Returns: how many there are; read each by ``event(_:)`` before the next wait.
    mutating func wait(until deadline: Instant?) -> Int

    /// Whether the last wait may have lasted until its deadline: if not, no timer is due.
    var mayHaveTimedOut: Bool { get }

    /// The event at an index of the last batch.
    mutating func event(_ index: Int) -> PollEvent

    // MARK: Sockets

    /// Opens a listening socket.
    mutating func listen(at address: SocketAddress, options: ListenOptions) throws(SystemError) -> Descriptor

    /// The address that a socket is bound to, port 0 resolved.
    mutating func localAddress(of descriptor: borrowing Descriptor) throws(SystemError) -> SocketAddress

    /// Sets other options on a listening socket; how it shares its address stays. What the system refuses stays as it was.
    mutating func adjust(_ listener: borrowing Descriptor, to options: ListenOptions)

    /// From here on nobody begins a connection to a listening socket, while handshakes under way still come to their end.
    mutating func stopHandshakes(on listener: borrowing Descriptor)

    /// Takes the next connection from a listening socket's queue.
    mutating func accept(from listener: borrowing Descriptor) -> Accepted

    /// Starts to connect. The descriptor becomes writable when it is done, either way.
    mutating func connect(
        to address: borrowing RawAddress,
        from source: borrowing RawAddress?,
        options: borrowing SocketOptions
    ) throws(SystemError) -> Descriptor

    /// The error that a descriptor holds, and forgets by this: how a connect that ended in failure tells why.
    mutating func takeError(of descriptor: borrowing Descriptor) -> SystemError?

    mutating func receive(from descriptor: borrowing Descriptor, into buffer: UnsafeMutableRawBufferPointer) -> Transfer

    mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> Transfer

    /// Sends FIN after what is queued.
    mutating func endSending(on descriptor: borrowing Descriptor) -> SystemError?

    /// Bytes sent that the other kernel has not acknowledged.
    mutating func unacknowledged(on descriptor: borrowing Descriptor) -> Int

    mutating func close(_ descriptor: consuming Descriptor)

    /// Closes at once, throws away what is queued, and tells the peer by a reset.
    mutating func abort(_ descriptor: consuming Descriptor)

    /// Acknowledges at once what was held back so that the first data could carry it: ``connect(to:from:options:)`` does
    /// that with the last step of the handshake, of which the server hears only then.
    mutating func acknowledge(on descriptor: borrowing Descriptor)

    /// Has the system probe a connection that is silent.
    mutating func keepAlive(_ keepAlive: KeepAlive, on descriptor: borrowing Descriptor)

    /// How many bytes should wait before a descriptor is reported readable (SO_RCVLOWAT, socket(7)); an end and an error
    /// are reported in any case.
    mutating func setReceiveLowWater(of descriptor: borrowing Descriptor, to count: Int)

    /// How many bytes wait in a socket's receive queue (SIOCINQ, tcp(7)); an end and an error do not count.
    mutating func unreadBytes(on descriptor: borrowing Descriptor) -> Int

    /// About how many bytes a send would take now.
    mutating func sendRoom(of descriptor: borrowing Descriptor) -> Int

    // MARK: Pipes

    /// Takes bytes out of a pipe.
    mutating func read(from descriptor: borrowing Descriptor, into buffer: UnsafeMutableRawBufferPointer) -> Transfer

    /// A pipe for splice, of the wanted capacity in bytes or the next that the system allows.
    mutating func pipe(capacity: Int) throws(SystemError) -> Pipe

    /// Moves bytes without copying them; one of the two must be a pipe's end.
    mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) -> Transfer
}

extension System where Self: ~Copyable {
    /// For systems that cannot say.
    public var mayHaveTimedOut: Bool { true }

    /// For systems on which nobody listens.
    public mutating func adjust(_ listener: borrowing Descriptor, to options: ListenOptions) {}

    /// For systems on which nobody listens, or whose handshakes take no time.
    public mutating func stopHandshakes(on listener: borrowing Descriptor) {}

    /// For systems that hold nothing back.
    public mutating func acknowledge(on descriptor: borrowing Descriptor) {}

    /// For systems whose peers never vanish.
    public mutating func keepAlive(_ keepAlive: KeepAlive, on descriptor: borrowing Descriptor) {}

    /// A hint that a system may ignore: it then wakes us more often.
    public mutating func setReceiveLowWater(of descriptor: borrowing Descriptor, to count: Int) {}

    /// For systems that cannot say: there may always be more, and a read finds out.
    public mutating func unreadBytes(on descriptor: borrowing Descriptor) -> Int { 1 }

    /// A guess that a system may leave out: a send then tells.
    public mutating func sendRoom(of descriptor: borrowing Descriptor) -> Int { .max }

    /// For systems whose ``pipe(capacity:)`` always fails.
    public mutating func read(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> Transfer {
        .failed(.invalidArgument)
    }
}

/// How a receive, a send or a splice went.
public enum Transfer {
    /// So many bytes moved, one at least.
    case moved(Int)
    /// Nothing can move now; the poller will tell.
    case wouldBlock
    /// The peer has ended its sending: there will be no more bytes.
    case ended
    case failed(SystemError)
}

/// What a listening socket's queue gave.
public enum Accepted: ~Copyable {
    case connection(Descriptor, peer: PeerAddress)
    /// The queue is empty.
    case wouldBlock
    case failed(SystemError)
}

/// The two ends of a pipe. Frozen, so that whoever closes it can take it apart.
@frozen
public struct Pipe: ~Copyable {
    /// Where bytes go in.
    public var input: Descriptor
    /// Where they come out.
    public var output: Descriptor
    /// In bytes; may be less than was asked for.
    public let capacity: Int

    @inlinable
    public init(input: consuming Descriptor, output: consuming Descriptor, capacity: Int) {
        self.input = input
        self.output = output
        self.capacity = capacity
    }
}

/// What is set on a connected socket. A listener's are inherited by what it accepts.
public struct SocketOptions: Sendable, Equatable {
    /// Probes on an idle connection (tcp(7), SO_KEEPALIVE); nil is off.
    public var keepAlive: KeepAlive?
    /// How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482); nil is the system's.
    public var userTimeout: Duration?
    /// Bytes a second that the system sends at most (SO_MAX_PACING_RATE, socket(7)), 1 to 2,147,483,647; nil is as fast
    /// as it goes.
    public var pacingRate: Int?

    public init(keepAlive: KeepAlive? = nil, userTimeout: Duration? = nil, pacingRate: Int? = nil) {
        self.keepAlive = keepAlive
        self.userTimeout = userTimeout
        self.pacingRate = pacingRate
    }
}

/// When an idle connection is probed, and when it is given up.
public struct KeepAlive: Sendable, Equatable {
    /// Silence before the first probe, and between two; in whole seconds, 1 s to 32,767 s.
    public var interval: Duration
    /// Probes without an answer before the connection is given up, 1 to 127.
    public var probes: Int

    public init(interval: Duration, probes: Int = 3) {
        self.interval = interval
        self.probes = probes
    }
}

/// How a listening socket is opened.
public struct ListenOptions: Sendable, Equatable {
    /// Whether other sockets may share the address.
    public enum Sharing: Sendable {
        /// Nobody else may listen there.
        case exclusive
        /// Nobody else may listen there yet, but from now on sockets opened with `.joining` may.
        case founding
        /// This socket joins those that share the address (SO_REUSEPORT, socket(7)).
        case joining
    }

    public var sharing: Sharing
    /// Length of the queue of connections not yet accepted; the system cuts it to net.core.somaxconn.
    public var backlog: Int
    public var connection: SocketOptions

    public init(sharing: Sharing = .exclusive, backlog: Int = 4096, connection: SocketOptions = .init()) {
        self.sharing = sharing
        self.backlog = backlog
        self.connection = connection
    }
}
