import Randomness
public import Sockets

/// A program at the far end of a connection: a client of the process, or a server that it has connected to.
///
/// By default it reads everything that arrives; what it sends waits for buffer space without further calls.
public final class FakePeer {
    /// How the connection ended for this peer.
    public enum End: Hashable, Sendable {
        case fin
        case failed(SystemError)
    }

    /// State of the process's end, as the kernel of the process knows it.
    public struct ProcessSide {
        /// Bytes that have arrived for the process.
        public var arrived = 0
        /// Of these, bytes that the process has received.
        public var received = 0
        /// Bytes that the process has sent, which means that its kernel has accepted them.
        public var sent = 0
        /// Whether the process has shut down its sending side.
        public var hasEnded = false
        /// Of these, bytes that were unacknowledged when the process closed or reset the connection.
        public var unacknowledgedAtEnd = 0
        /// Whether the process has closed or reset its end.
        public var hasClosed = false
        /// Whether the process has reset a connection that had no error until then.
        public var hasReset = false
        /// Number of receives and splices of the process from the connection, and of those that would have blocked.
        public var receives = 0
        public var emptyReceives = 0

        public init() {}
    }

    /// Bytes that have arrived together.
    public struct Arrival {
        public var at: Instant
        public var count: Int
    }

    private let socket: FakeSocket
    private var unsent = ByteQueue()
    private var wantsToFinish = false
    private var wantsToClose = false
    private var sendFailure: SystemError?
    private var isFlushing = false
    private var isTaking = false

    /// All bytes received.
    public private(set) var received: [UInt8] = []
    /// The reads in which they were received.
    public private(set) var arrivals: [Arrival] = []
    /// How the incoming stream has ended; nil while it is open.
    public private(set) var end: End?
    /// Whether it reads; while it does not, incoming bytes fill its kernel's buffer and then the sender's.
    public var isReading = true {
        didSet { socketChanged() }
    }
    /// How many more bytes the process may send on the connection; nil for as many as the buffers hold.
    public var window: Int? {
        get { socket.other?.sendAllowance }
        set { socket.other?.sendAllowance = newValue }
    }
    /// Whether the network has reset the connection.
    public internal(set) var wasResetByNetwork = false
    /// Called when bytes or an end have arrived.
    public var onChange: ((FakePeer) -> Void)?

    init(_ socket: FakeSocket) {
        self.socket = socket
        socket.peer = self
    }

    /// The received bytes as text.
    public var text: String { String(decoding: received, as: UTF8.self) }
    /// Bytes that its kernel has not accepted yet.
    public var waiting: Int { unsent.count }
    /// Bytes that have arrived and are unread.
    public var unread: Int { socket.received }

    public func send(_ text: String) {
        send(Array(text.utf8))
    }

    public func send(_ bytes: [UInt8]) {
        unsent.append(bytes)
        flush()
    }

    /// Sends bytes of which the last is urgent.
    public func sendUrgent(_ bytes: [UInt8]) {
        socket.announceUrgent(at: socket.asSeenByTheProcess.sent + unsent.count + bytes.count - 1)
        send(bytes)
    }

    /// Sends `count` bytes of ``BytePattern``, from an offset on.
    public func sendPattern(from offset: Int = 0, count: Int) {
        send(
            [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                BytePattern.fill(UnsafeMutableRawBufferPointer(buffer), from: offset)
                filled = count
            }
        )
    }

    /// Number of received bytes, if they match ``BytePattern``; nil if one of them does not.
    public var patternReceived: Int? {
        received.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil ? received.count : nil
    }

    /// Whether the process has enabled keepalive probes on the connection.
    public var hasKeepAlive: Bool { socket.other?.probes ?? false }

    /// State of the process's end of the connection.
    public var process: ProcessSide { socket.other?.asSeenByTheProcess ?? ProcessSide() }

    /// Shuts down sending, after the bytes that wait.
    public func finish() {
        wantsToFinish = true
        flush()
    }

    /// Closes, after the bytes that wait; bytes that arrive later are answered with a reset.
    public func close() {
        wantsToClose = true
        flush()
    }

    /// Resets the connection immediately.
    public func reset() {
        unsent.removeAll()
        socket.abort()
    }

    /// Reads at most `count` bytes, also while ``isReading`` is false.
    public func read(_ count: Int) {
        take(atMost: count)
    }

    /// Makes the network drop everything that either side sends from now on.
    public func vanish() {
        socket.isCutOff = true
        socket.other?.isCutOff = true
    }

    /// Makes the process's kernel give up: its probes, or its bytes, were not acknowledged for too long.
    public func abandonUnanswered(_ error: SystemError) {
        socket.other?.abandonUnanswered(error)
    }

    func socketChanged() {
        flush()
        if isReading { take(atMost: .max) }
    }

    private func flush() {
        // A send can call back into this function before it returns.
        guard !isFlushing, !socket.isOrphan else { return }
        isFlushing = true
        defer { isFlushing = false }
        while !unsent.isEmpty {
            do throws(SystemError) {
                let taken = try socket.send(unsent.prefix(64 * 1024))
                guard taken > 0 else { return }
                unsent.removeFirst(taken)
            } catch {
                sendFailure = error
                return unsent.removeAll()
            }
        }
        if wantsToFinish, socket.state == .connected, !socket.hasEnded { _ = socket.endSending() }
        if wantsToClose { socket.close() }
    }

    private func take(atMost limit: Int) {
        guard !isTaking else { return }
        isTaking = true
        defer { isTaking = false }
        var left = limit
        while left > 0, end == nil, !socket.isOrphan {
            switch socket.receive(atMost: left) {
            case .bytes(let bytes):
                received += bytes
                arrivals.append(Arrival(at: socket.now, count: bytes.count))
                left -= bytes.count
            // After a reset a send may have consumed the error; then this is not a FIN.
            case .ended: end = sendFailure.map { .failed($0) } ?? .fin
            case .failed(let error): end = .failed(error)
            case .wouldBlock: return
            }
            onChange?(self)
        }
    }
}

/// An end of a connection that the process has or had; identifies the peer even after the descriptor number is reused.
public struct FakeEnd {
    let socket: FakeSocket

    /// The far end; nil until there is one.
    public var peer: FakePeer? { socket.other?.peer }
}
