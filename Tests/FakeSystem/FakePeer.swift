public import Sockets

/// A program at the far end of a connection: a client of the process, or a server that it has connected to.
///
/// It reads all that comes unless it is told not to, and what it sends waits for room by itself.
public final class FakePeer {
    /// How its connection ended for it.
    public enum End: Hashable, Sendable {
        case fin
        case failed(SystemError)
    }

    /// What the kernel of the process knows of the end that the process has.
    public struct ProcessSide {
        /// Bytes that have arrived for the process.
        public var arrived = 0
        /// Of these, bytes that it has received.
        public var received = 0
        /// Bytes that it has sent, which is that its kernel has taken them.
        public var sent = 0
        /// Whether it has ended its sending.
        public var hasEnded = false
        /// Of these, bytes that had not been acknowledged when it closed or reset the connection.
        public var unacknowledgedAtEnd = 0
        /// Whether it has reset the connection, with which nothing was wrong until then.
        public var hasReset = false

        public init() {}
    }

    private let socket: FakeSocket
    private var unsent = ByteQueue()
    private var wantsToFinish = false
    private var wantsToClose = false
    private var sendFailure: SystemError?
    private var isFlushing = false
    private var isTaking = false

    /// All that has come.
    public private(set) var received: [UInt8] = []
    /// How what comes has ended; nil while it may go on.
    public private(set) var end: End?
    /// Whether it reads; while it does not, what comes fills its kernel's buffer and then the sender's.
    public var isReading = true {
        didSet { socketChanged() }
    }
    /// Whether the network has reset its connection by itself.
    public internal(set) var wasResetByNetwork = false
    /// Told when something has come, or has ended.
    public var onChange: ((FakePeer) -> Void)?

    init(_ socket: FakeSocket) {
        self.socket = socket
        socket.peer = self
    }

    /// What has come, as text.
    public var text: String { String(decoding: received, as: UTF8.self) }
    /// Bytes that its kernel has not taken yet.
    public var waiting: Int { unsent.count }
    /// Bytes that have arrived and that it has not read.
    public var unread: Int { socket.received }

    public func send(_ text: String) {
        send(Array(text.utf8))
    }

    public func send(_ bytes: [UInt8]) {
        unsent.append(bytes)
        flush()
    }

    /// Sends so many bytes of ``BytePattern``, from an offset on.
    public func sendPattern(from offset: Int = 0, count: Int) {
        send(
            [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                BytePattern.fill(UnsafeMutableRawBufferPointer(buffer), from: offset)
                filled = count
            }
        )
    }

    /// How many bytes have come, if they are those of ``BytePattern``; nil if one of them is not.
    public var patternReceived: Int? {
        received.withUnsafeBytes { BytePattern.firstDifference(in: $0) } == nil ? received.count : nil
    }

    /// Whether the process has its kernel probe the connection while it is silent.
    public var isProbed: Bool { socket.other?.probes ?? false }

    /// What the process has done with its end of the connection.
    public var process: ProcessSide { socket.other?.asSeenByTheProcess ?? ProcessSide() }

    /// Ends its sending, after what waits.
    public func finish() {
        wantsToFinish = true
        flush()
    }

    /// Closes, after what waits; what comes later is answered by a reset.
    public func close() {
        wantsToClose = true
        flush()
    }

    /// Ends the connection at once.
    public func reset() {
        unsent.removeAll()
        socket.abort()
    }

    /// Reads so many bytes at most, also while it does not read by itself.
    public func read(_ count: Int) {
        take(atMost: count)
    }

    /// The network drops all that either side sends from now on.
    public func vanish() {
        socket.isCutOff = true
        socket.other?.isCutOff = true
    }

    /// The process's kernel gives the connection up: its probes, or its bytes, were not answered for too long.
    public func giveUp(_ error: SystemError) {
        socket.other?.giveUp(error)
    }

    func socketChanged() {
        flush()
        if isReading { take(atMost: .max) }
    }

    private func flush() {
        // What a send sets off may come back here before it has returned.
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
                left -= bytes.count
            // After a reset the error has perhaps been told to a send; then this is no FIN.
            case .ended: end = sendFailure.map { .failed($0) } ?? .fin
            case .failed(let error): end = .failed(error)
            case .wouldBlock: return
            }
            onChange?(self)
        }
    }
}

/// An end of a connection that the process has, or has had: whose it is can be asked after its number is another's.
public struct FakeEnd {
    let socket: FakeSocket

    /// Who is at the far end; nil as long as nobody is.
    public var peer: FakePeer? { socket.other?.peer }
}

/// A server that the process can connect to.
public final class FakeServer {
    /// What becomes of a connect.
    public enum Answer {
        case accept(after: Duration = .zero)
        case fail(SystemError, after: Duration = .zero)
        /// Nothing is ever heard.
        case silence
        /// The call itself fails.
        case failAtOnce(SystemError)
    }

    public let address: SocketAddress
    public var answer: Answer
    /// Asked for each attempt; without it, ``answer`` holds for all.
    public var onAttempt: (() -> Answer)?
    /// How often the process has tried to connect.
    public private(set) var attempts = 0
    /// From which local address each attempt came; nil where the process left it to the system.
    public private(set) var sources: [PeerAddress?] = []
    /// Connections that it has accepted, in order.
    public private(set) var connections: [FakePeer] = []
    /// Told of each, as soon as it is there.
    public var onConnect: ((FakePeer) -> Void)?

    init(at address: SocketAddress, answer: Answer) {
        self.address = address
        self.answer = answer
    }

    func attempt(by near: FakeSocket, from source: PeerAddress?, in world: FakeWorld) throws(SystemError) {
        attempts += 1
        sources.append(source)
        switch onAttempt?() ?? answer {
        case .accept(let delay):
            let far = world.makeSocket(isUnix: near.isUnix)
            run(after: delay, in: world) { [self] in
                guard near.state == .connecting, !near.isOrphan else { return }
                FakeSocket.link(near, far)
                let peer = world.makePeer(far)
                far.establish()
                near.establish()
                connections.append(peer)
                onConnect?(peer)
            }
        case .fail(let error, let delay):
            run(after: delay, in: world) { near.fail(error) }
        case .silence:
            break
        case .failAtOnce(let error):
            throw error
        }
    }

    private func run(after delay: Duration, in world: FakeWorld, _ action: @escaping () -> Void) {
        if delay > .zero { world.plan(after: delay, action) } else { action() }
    }
}
