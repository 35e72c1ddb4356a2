import Sockets
import Synchronization

/// A scripted system: in-memory clients, a clock that advances only when all wait, and no threads.
///
/// Readiness is reported as by epoll: edge-triggered and in full for a connection, level-triggered for the listener (as
/// long as its queue is not empty).
final class FakeNetwork {
    /// The current time, advanced by ``run(for:)``.
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// Number of waits.
    private(set) var waits = 0
    /// Clients in the accept queue.
    private(set) var queue: [FakeClient] = []
    /// Errors of the next accepts.
    var acceptFailures: [SystemError] = []
    /// Maximum number of open connections; accepting more fails with EMFILE.
    var connectionLimit = Int.max
    /// Open descriptors.
    private(set) var open: Set<Int32> = []
    let waker = FakeWaker()

    fileprivate var clients: [Int32: FakeClient] = [:]
    private var end = Instant(nanoseconds: 0)
    private var isIdle = false
    private var nextNumber: Int32 = 100
    private var listener: (number: Int32, readiness: Readiness, token: Token)?
    private var batch: [PollEvent] = []

    /// Creates a listening socket that is not registered with a worker yet.
    func makeListener() -> Descriptor {
        let number = takeNumber()
        listener = (number, [], Token(bits: 0))
        return Descriptor(adopting: number)
    }

    /// Connects a new client.
    func connect() -> FakeClient {
        let client = FakeClient()
        queue.append(client)
        return client
    }

    /// Whether the listener is closed.
    var isListening: Bool { listener != nil }

    /// Runs a worker until it waits for an event that does not come within `duration`.
    func run(_ duration: Duration = .zero, turn: () -> Bool) {
        end = now + duration
        isIdle = false
        while !isIdle, turn() {}
    }

    /// Advances the time even if a worker is busy.
    func skip(_ duration: Duration) {
        now = now + duration
        end = now
    }

    private func takeNumber() -> Int32 {
        nextNumber += 1
        open.insert(nextNumber)
        return nextNumber
    }
}

/// One client and its connection, seen from both sides.
final class FakeClient {
    /// Bytes sent by the client and not yet received by the server, and the maximum that one receive returns.
    private(set) var outgoing: ArraySlice<UInt8> = []
    var receiveLimit = Int.max
    /// Bytes that the server has sent.
    private(set) var incoming: [UInt8] = []
    /// Bytes of each send.
    private(set) var pieces: [Int] = []
    /// Arrival time of the last byte.
    private(set) var lastByte: Instant?
    /// Number of bytes that the server may still send.
    private(set) var window = Int.max
    private(set) var hasFinished = false
    private(set) var hasReset = false
    /// The server has sent a FIN.
    private(set) var serverHasFinished = false
    /// The server has closed the connection, orderly or not.
    private(set) var isClosed = false
    private(set) var isAborted = false
    /// Number of receives by the server, and of those that returned no data.
    private(set) var receives = 0
    private(set) var emptyReceives = 0

    fileprivate var token: Token?
    fileprivate var news: Readiness = []

    func send(_ bytes: some Sequence<UInt8>, urgent: Bool = false) {
        outgoing += bytes
        news.formUnion(urgent ? [.readable, .urgent] : .readable)
    }

    func send(_ text: String) { send(text.utf8) }

    func finish() {
        hasFinished = true
        news.formUnion([.readable, .readHangup])
    }

    func reset() {
        hasReset = true
        outgoing = []
        news.formUnion([.readable, .writable, .readHangup, .hungUp, .failed])
    }

    /// Increases the server's send window by `more` bytes.
    func open(window more: Int) {
        if window == 0, more > 0 { news.formUnion(.writable) }
        window = window == .max ? more : window + more
    }

    /// Closes the server's send window.
    func shutWindow() { window = 0 }

    var text: String { String(decoding: incoming, as: UTF8.self) }

    /// The full state that accompanies a change, as epoll reports it.
    fileprivate var readiness: Readiness {
        var readiness = news
        if !outgoing.isEmpty || hasFinished { readiness.formUnion(.readable) }
        if hasFinished { readiness.formUnion(.readHangup) }
        if window > 0 { readiness.formUnion(.writable) }
        return readiness
    }

    fileprivate func receive(into buffer: UnsafeMutableRawBufferPointer) -> IOResult {
        receives += 1
        if hasReset { return .failed(.connectionReset) }
        let count = min(buffer.count, receiveLimit, outgoing.count)
        if count > 0 {
            buffer.copyBytes(from: outgoing.prefix(count))
            outgoing = outgoing.dropFirst(count)
            return .moved(count)
        }
        if hasFinished { return .ended }
        emptyReceives += 1
        return .wouldBlock
    }

    fileprivate func take(_ bytes: UnsafeRawBufferPointer, at now: Instant) -> IOResult {
        if hasReset { return .failed(.connectionReset) }
        precondition(!serverHasFinished, "sent after a FIN")
        let count = min(bytes.count, window)
        if count == 0 { return .wouldBlock }
        incoming += bytes.prefix(count)
        pieces.append(count)
        lastByte = now
        if window != .max { window -= count }
        return .moved(count)
    }

    fileprivate func endSending() -> SystemError? {
        if hasReset { return SystemError(code: 107) }
        serverHasFinished = true
        return nil
    }

    fileprivate func close(abortive: Bool) {
        isClosed = true
        isAborted = abortive
        if !abortive { serverHasFinished = true }
    }
}

final class FakeWaker: Waker {
    fileprivate let isSignalled = Mutex(false)
    func wake() { isSignalled.withLock { $0 = true } }
}

// MARK: - The server's side

/// The system used by a worker.
struct FakeSystem: System, ~Copyable {
    private let network: FakeNetwork

    init(_ network: FakeNetwork) { self.network = network }

    var waker: FakeWaker { network.waker }

    mutating func now() -> Instant { network.now }

    mutating func register(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? {
        network.register(descriptor.number, readiness, token)
    }

    mutating func modify(
        _ descriptor: borrowing Descriptor,
        for readiness: Readiness,
        token: Token
    ) -> SystemError? {
        network.register(descriptor.number, readiness, token)
    }

    mutating func wait(until deadline: Instant?) -> Int { network.wait(until: deadline) }

    mutating func event(_ index: Int) -> PollEvent { network.event(index) }

    mutating func accept(from listener: borrowing Descriptor) -> AcceptResult { network.accept() }

    mutating func receive(
        from descriptor: borrowing Descriptor,
        into buffer: UnsafeMutableRawBufferPointer
    ) -> IOResult {
        network.client(descriptor.number).receive(into: buffer)
    }

    mutating func send(_ bytes: UnsafeRawBufferPointer, to descriptor: borrowing Descriptor) -> IOResult {
        network.client(descriptor.number).take(bytes, at: network.now)
    }

    mutating func endSending(on descriptor: borrowing Descriptor) -> SystemError? {
        network.client(descriptor.number).endSending()
    }

    mutating func close(_ descriptor: consuming Descriptor) {
        network.close(descriptor.release(), abortive: false)
    }

    mutating func abort(_ descriptor: consuming Descriptor) {
        network.close(descriptor.release(), abortive: true)
    }

    // MARK: Not used by an echo server

    mutating func listen(at address: SocketAddress, options: ListenOptions) throws(SystemError) -> Descriptor {
        throw SystemError(code: 38)
    }

    mutating func localAddress(of descriptor: borrowing Descriptor) throws(SystemError) -> SocketAddress {
        throw SystemError(code: 38)
    }

    mutating func connect(
        to address: borrowing RawAddress,
        from source: borrowing RawAddress?,
        options: borrowing SocketOptions
    ) throws(SystemError) -> Descriptor {
        throw SystemError(code: 38)
    }

    mutating func takeError(of descriptor: borrowing Descriptor) -> SystemError? { nil }

    mutating func unacknowledged(on descriptor: borrowing Descriptor) -> Int { 0 }

    mutating func pipe(capacity: Int) throws(SystemError) -> Pipe { throw SystemError(code: 38) }

    mutating func splice(
        from source: borrowing Descriptor,
        to sink: borrowing Descriptor,
        atMost count: Int
    ) -> IOResult {
        .failed(SystemError(code: 38))
    }
}

extension FakeNetwork {
    fileprivate func client(_ number: Int32) -> FakeClient {
        guard let client = clients[number] else { preconditionFailure("\(number) is not a connection's descriptor") }
        return client
    }

    fileprivate func register(_ number: Int32, _ readiness: Readiness, _ token: Token) -> SystemError? {
        if listener?.number == number {
            listener = (number, readiness, token)
        } else {
            precondition(client(number).token == nil, "registered twice")
            client(number).token = token
            // The initial readiness of a new connection is a change.
            client(number).news.formUnion(client(number).readiness)
        }
        return nil
    }

    fileprivate func accept() -> AcceptResult {
        precondition(listener != nil, "accepted without a listener")
        if queue.isEmpty { return .wouldBlock }
        if let failure = acceptFailures.first {
            acceptFailures.removeFirst()
            if failure.isReset { queue.removeFirst() }
            return .failed(failure)
        }
        if clients.count >= connectionLimit { return .failed(.tooManyOpenFiles) }
        let number = takeNumber()
        clients[number] = queue.removeFirst()
        return .connection(Descriptor(adopting: number), peer: .unix)
    }

    fileprivate func close(_ number: Int32, abortive: Bool) {
        precondition(open.remove(number) != nil, "closed twice")
        if listener?.number == number {
            listener = nil
        } else {
            client(number).close(abortive: abortive)
            clients[number] = nil
        }
    }

    fileprivate func wait(until deadline: Instant?) -> Int {
        waits += 1
        batch = []
        let isWoken = waker.isSignalled.withLock { isSignalled in
            defer { isSignalled = false }
            return isSignalled
        }
        if isWoken { batch.append(PollEvent(token: Token(bits: 0), readiness: .readable)) }
        if let listener, listener.readiness.contains(.readable), !queue.isEmpty {
            batch.append(PollEvent(token: listener.token, readiness: .readable))
        }
        for number in clients.keys.sorted() {
            let client = client(number)
            guard let token = client.token, !client.news.isEmpty else { continue }
            batch.append(PollEvent(token: token, readiness: client.readiness))
            client.news = []
        }
        guard batch.isEmpty else { return batch.count }
        if let deadline, deadline <= end {
            now = max(now, deadline)
        } else {
            now = max(now, end)
            isIdle = true
        }
        return 0
    }

    fileprivate func event(_ index: Int) -> PollEvent { batch[index] }
}
