import Glibc
import Sockets

/// The kernel's side of one end of a connection. Both ends are of this kind: one has a descriptor of the process, the
/// other a ``FakePeer``.
final class FakeSocket: FakeFile {
    enum State {
        case connecting
        case connected
        /// Reset, or never connected. What had been received can still be read.
        case closed
    }

    private unowned let world: FakeWorld
    let isUnix: Bool
    /// The local address of an accepted socket; nil on all others.
    var localAddress: SocketAddress?
    /// Whether it is connected to itself; what is at its other end does not matter.
    var isConnectedToItself = false
    private(set) var state = State.connecting
    private(set) weak var other: FakeSocket?
    /// The peer that acts on this end, if it is not the process.
    weak var peer: FakePeer?
    /// The pending error, which the next call returns and clears.
    private(set) var error: SystemError?
    /// Its owner has closed it; the kernel still sends the queued bytes.
    private(set) var isOrphan = false
    /// The network drops everything that it sends.
    var isCutOff = false

    private var inbox = ByteQueue()
    /// Whether keepalive probes are enabled (SO_KEEPALIVE).
    var probes = false
    /// Minimum number of received bytes for a readable event (SO_RCVLOWAT).
    var lowWater = 1 {
        didSet { if hasEnough { changed() } }
    }
    private let receiveCapacity: Int
    /// Bytes in flight to this end.
    private var announced = 0
    /// The other side's FIN has arrived.
    private(set) var hasReceivedEnd = false
    /// Position of an urgent byte in the incoming stream, from its announcement until it is received.
    private var urgentPosition: Int?

    private var outbox = ByteQueue()
    private let sendCapacity: Int
    /// How many more bytes its owner may send, if that is limited.
    var sendAllowance: Int? {
        didSet {
            if oldValue == 0, wantsRoom, hasRoom {
                wantsRoom = false
                changed()
            }
        }
    }
    /// Bytes sent and not yet acknowledged.
    private var inFlight = 0
    /// Queued bytes that a reset or a timeout has discarded; SIOCOUTQ still includes them.
    private var discarded = 0
    /// Its owner has shut down sending.
    private(set) var hasEnded = false
    private var isEndSent = false
    private var isEndAcknowledged = false
    /// A send found no buffer space, so a writable event is due.
    private var wantsRoom = false
    private var isTransmitting = false
    private(set) var asSeenByTheProcess = FakePeer.ProcessSide()
    /// Lower bound for the arrival of everything sent from now on.
    private var lastArrival = Instant(nanoseconds: 0)
    /// How much that is sent has not arrived.
    private var underWay = 0

    init(in world: FakeWorld, isUnix: Bool, sendCapacity: Int, receiveCapacity: Int) {
        self.world = world
        self.isUnix = isUnix
        self.sendCapacity = sendCapacity
        self.receiveCapacity = receiveCapacity
    }

    var now: Instant { world.clock }

    static func link(_ one: FakeSocket, _ other: FakeSocket) {
        one.other = other
        other.other = one
    }

    override func changed() {
        super.changed()
        peer?.socketChanged()
    }

    /// Readiness as tcp_poll computes it: if it finds no buffer space, a writable event follows later.
    override var readiness: Readiness {
        let readiness = presentReadiness
        if state != .connecting, !readiness.contains(.writable) { wantsRoom = true }
        return readiness
    }

    /// Readiness for callers other than the process, without that side effect.
    var presentReadiness: Readiness {
        guard state != .connecting else { return [] }
        var readiness: Readiness = []
        let isReceivingOver = hasReceivedEnd || state == .closed
        let isSendingOver = hasEnded || state == .closed
        if isReceivingOver { readiness.formUnion([.readable, .readHangup]) }
        if isReceivingOver, isSendingOver { readiness.insert(.hungUp) }
        if hasEnough { readiness.insert(.readable) }
        if isSendingOver || hasRoom { readiness.insert(.writable) }
        if error != nil { readiness.insert(.failed) }
        if urgentPosition != nil { readiness.insert(.urgent) }
        return readiness
    }

    /// A third of the buffer must be free, so that a sender is not woken for each byte.
    private var hasRoom: Bool { used <= sendCapacity * 2 / 3 && sendAllowance != 0 }
    private var used: Int { outbox.count + inFlight }
    /// If the buffer is full, nothing more can arrive, whatever the low-water mark.
    private var hasEnough: Bool { !inbox.isEmpty && (inbox.count >= lowWater || window == 0) }

    /// Approximate number of bytes that a send would accept.
    var room: Int { max(0, min(sendCapacity - used, sendAllowance ?? .max)) }

    /// Bytes available to receive.
    var received: Int { inbox.count }

    /// The value of SIOCOUTQ: a FIN counts as one byte until it is acknowledged.
    var unacknowledged: Int {
        state == .connecting ? 0 : used + discarded + (hasEnded && !isEndAcknowledged ? 1 : 0)
    }
}

// MARK: - Calls of its owner

extension FakeSocket {
    func receive(atMost count: Int) -> Reception {
        asSeenByTheProcess.receives += 1
        if !inbox.isEmpty {
            let bytes = inbox.takeFirst(min(count, bytesBeforeUrgent))
            asSeenByTheProcess.received += bytes.count
            if let urgentPosition, urgentPosition < asSeenByTheProcess.received { self.urgentPosition = nil }
            other?.transmit()
            return .bytes(bytes)
        }
        // A FIN that has arrived is returned before an error that came after it, by every call.
        if hasReceivedEnd { return .ended }
        if let error = takeError() { return .failed(error) }
        if state == .closed { return .ended }
        asSeenByTheProcess.emptyReceives += 1
        return .wouldBlock
    }

    /// A receive stops in front of an urgent byte, unless it begins with it (tcp(7), SO_OOBINLINE).
    private var bytesBeforeUrgent: Int {
        guard let urgentPosition, urgentPosition > asSeenByTheProcess.received else { return .max }
        return urgentPosition - asSeenByTheProcess.received
    }

    enum Reception {
        case bytes([UInt8])
        case ended
        case wouldBlock
        case failed(SystemError)
    }

    /// - Returns: the number of accepted bytes; 0 if the call would block.
    func send(_ bytes: some Collection<UInt8>) throws(SystemError) -> Int {
        if let error = takeError() { throw error }
        if state == .closed || hasEnded { throw SystemError(code: EPIPE) }
        let count = state == .connecting ? 0 : min(bytes.count, sendCapacity - used, sendAllowance ?? .max)
        if count < bytes.count { wantsRoom = true }
        if let left = sendAllowance { sendAllowance = left - count }
        outbox.append(bytes.prefix(count))
        asSeenByTheProcess.sent += count
        transmit()
        return count
    }

    func endSending() -> SystemError? {
        guard state == .connected else { return SystemError(code: ENOTCONN) }
        hasEnded = true
        asSeenByTheProcess.hasEnded = true
        transmit()
        return nil
    }

    func takeError() -> SystemError? {
        defer { error = nil }
        return error
    }

    /// Closing with unread bytes sends a reset, since the other side would otherwise assume that they were received
    /// (RFC 2525, 2.17).
    func close() {
        isOrphan = true
        asSeenByTheProcess.hasClosed = true
        asSeenByTheProcess.unacknowledgedAtEnd = used + discarded
        guard state == .connected else { return state = .closed }
        if inbox.isEmpty {
            hasEnded = true
            transmit()
        } else {
            abort()
        }
    }

    func abort() {
        isOrphan = true
        asSeenByTheProcess.hasClosed = true
        asSeenByTheProcess.unacknowledgedAtEnd = used + discarded
        // With bytes queued before its own FIN the connection is open, though sending is shut down (tcp_need_reset).
        let isOver = hasReceivedEnd && hasEnded && outbox.isEmpty
        outbox.removeAll()
        inbox.removeAll()
        if state == .connected, !isOver {
            asSeenByTheProcess.hasReset = true
            sendReset()
        }
        state = .closed
    }
}

// MARK: - The network

extension FakeSocket {
    /// Completes the handshake.
    func establish() {
        guard state == .connecting, !isOrphan else { return }
        state = .connected
        changed()
    }

    /// Fails the handshake.
    func fail(_ error: SystemError) {
        guard state == .connecting, !isOrphan else { return }
        state = .closed
        self.error = error
        changed()
    }

    /// Resets both ends, as a middlebox between them would.
    func resetByNetwork() {
        guard state == .connected, let other else { return }
        other.peer?.wasResetByNetwork = true
        arriveReset()
        other.arriveReset()
    }

    /// Ends the connection because the kernel's retransmissions or probes have timed out.
    func abandonUnanswered(_ error: SystemError) {
        guard state == .connected, !isOrphan else { return }
        isCutOff = true
        state = .closed
        self.error = error
        discardOutbox()
        changed()
    }

    private func discardOutbox() {
        discarded += outbox.count
        outbox.removeAll()
    }

    /// Announces that the byte at a position of the stream that it sends is urgent.
    func announceUrgent(at position: Int) {
        guard state == .connected, !isCutOff, let other else { return }
        other.urgentPosition = position
        other.changed()
    }

    private func transmit() {
        guard state == .connected, !isTransmitting, !isCutOff, let other else { return }
        isTransmitting = true
        defer { isTransmitting = false }
        // An immediate arrival may make its owner close or reset this end inside the loop.
        while state == .connected, !outbox.isEmpty, other.window > 0 {
            let bytes = outbox.takeFirst(min(other.window, world.faults.segmentSize()))
            inFlight += bytes.count
            other.announced += bytes.count
            carry { [self] in
                other.arrive(bytes)
                acknowledge { $0.inFlight -= bytes.count }
            }
        }
        if state == .connected, outbox.isEmpty, hasEnded, !isEndSent {
            isEndSent = true
            carry { [self] in
                other.arriveEnd()
                acknowledge { $0.isEndAcknowledged = true }
            }
        }
    }

    /// Receive window; a socket that is closed accepts everything, to answer it with a reset.
    private var window: Int {
        isOrphan || state == .closed ? .max : max(0, receiveCapacity - inbox.count - announced)
    }

    /// Delivers in order, even if the latency changes: also after anything that arrives at this moment.
    private func carry(_ action: @escaping () -> Void) {
        lastArrival = max(lastArrival, world.clock + world.latency)
        guard underWay > 0 || lastArrival > world.clock else { return action() }
        underWay += 1
        world.plan(at: lastArrival) { [self] in
            underWay -= 1
            action()
        }
    }

    private func acknowledge(_ note: @escaping (FakeSocket) -> Void) {
        other?.carry { [self] in
            note(self)
            if wantsRoom, state == .connected, hasRoom {
                wantsRoom = false
                changed()
            }
        }
    }

    private func sendReset() {
        guard !isCutOff, let other else { return }
        carry { other.arriveReset() }
    }

    private func arrive(_ bytes: [UInt8]) {
        announced -= bytes.count
        guard state == .connected else { return }
        if isOrphan {
            outbox.removeAll()
            sendReset()
            state = .closed
            return
        }
        inbox.append(bytes)
        asSeenByTheProcess.arrived += bytes.count
        if hasEnough { changed() }
    }

    private func arriveEnd() {
        guard state == .connected else { return }
        hasReceivedEnd = true
        changed()
    }

    private func arriveReset() {
        // After the FINs of both ends a reset is late, and has no effect.
        guard state != .closed, !(hasReceivedEnd && isEndAcknowledged) else { return }
        error =
            state == .connecting
            ? .connectionRefused : hasReceivedEnd ? SystemError(code: EPIPE) : .connectionReset
        state = .closed
        discardOutbox()
        changed()
    }
}
