import Sockets
import TLS

/// TLS of all connections of a plan.
struct TLSPlan: Sendable {
    let context: TLSContext
    /// Name of the target for SNI and verification.
    let serverName: String
    /// Percentage of the handshakes that resume a session.
    let resume: Int
}

/// The TLS state of a connection.
struct TLSChannel {
    let session: TLSSession
    /// When the handshake began, and when it was complete.
    let startedAt: Instant
    var completedAt: Instant
    /// Whether the session is to be resumed by another connection.
    let storesSession: Bool
    /// Received bytes that are not decrypted yet: those that arrived with the end of the handshake.
    var input: UnsafeMutableRawBufferPointer?
    /// Encrypted bytes that the socket has not accepted: a range of `output`, which is taken from the spare ones.
    var output: UnsafeMutableRawPointer?
    var waiting = 0..<0
    /// Whether the send buffer is full; the poller reports when it is not.
    var isBlocked = false
    /// The end of the peer's stream, or the failure of the connection, after the bytes already returned.
    var end: TransformResult?
    /// Whether the sending side is to be ended, with a FIN or only with close_notify, and whether close_notify was sent.
    var endsSending = false
    var sendsFIN = false
    var hasEncodedEnd = false
    /// Whether the peer is known to have completed the handshake.
    var isConfirmed = false
}

/// The TLS states of a generator's connections, by slot, and the buffers that they share. Confined to one thread.
final class TLSChannels {
    private let plan: TLSPlan
    /// The target: one value for each slot if sessions are resumed, so that each connection resumes the session of its
    /// predecessor in the slot; otherwise only one.
    private let servers: [TLSServer]
    private let channels: UnsafeMutablePointer<TLSChannel>
    /// Sum of the percentages of handshakes to resume, modulo 100.
    private var resumeSum = 0
    /// Buffers for encrypted bytes that wait for a socket.
    private var spareOutputs: [UnsafeMutableRawPointer] = []
    /// Versions and cipher suites that were agreed on.
    private(set) var agreements: [Agreement] = []

    /// Received bytes of one call, and encrypted bytes of one call.
    let input: UnsafeMutableRawBufferPointer
    let output: UnsafeMutableRawBufferPointer

    struct Agreement {
        let version: TLSVersion?
        let cipher: UnsafePointer<CChar>
        var count: Int
    }

    /// Number of records of the largest size that are sent with one call.
    private static let recordsPerSend = 8
    /// Room for one send, and for records that the library adds by itself.
    private static let outputCapacity = (recordsPerSend + 1) * TransformBuffers.maxRecord
    /// Maximum number of spare buffers.
    private static let maxSpareOutputs = 64

    /// The excess of decrypted bytes over those received in one call: the rest of a record that has arrived before.
    static let maxCarriedOver = 2 * TransformBuffers.maxRecord

    init(_ plan: TLSPlan, slots: Int, bufferSize: Int) {
        self.plan = plan
        servers = (0..<(plan.resume > 0 ? slots : 1)).map { _ in TLSServer(plan.serverName) }
        channels = .allocate(capacity: slots)
        input = .allocate(byteCount: bufferSize, alignment: 4096)
        output = .allocate(byteCount: Self.recordsPerSend * TransformBuffers.maxRecord, alignment: 4096)
    }

    deinit {
        channels.deallocate()
        input.deallocate()
        output.deallocate()
        for buffer in spareOutputs { buffer.deallocate() }
    }

    /// Starts the TLS of a connection; returns nil if the system is out of memory.
    func open(_ slot: Int, at moment: Instant) -> UnsafeMutablePointer<TLSChannel>? {
        let server = servers[plan.resume > 0 ? slot : 0]
        let resumption = nextResumption()
        guard let session = TLSSession.connect(plan.context, to: server, resumption: resumption) else { return nil }
        let channel = channels + slot
        channel.initialize(
            to: TLSChannel(
                session: session,
                startedAt: moment,
                completedAt: moment,
                storesSession: resumption != .off
            )
        )
        return channel
    }

    /// The channel of a connection that was opened and not closed since.
    subscript(slot: Int) -> UnsafeMutablePointer<TLSChannel> { channels + slot }

    /// Frees the state of a connection.
    func close(_ slot: Int) {
        let channel = channels + slot
        channel.pointee.session.release()
        channel.pointee.input?.deallocate()
        if let buffer = channel.pointee.output {
            if spareOutputs.count < Self.maxSpareOutputs { spareOutputs.append(buffer) } else { buffer.deallocate() }
        }
    }

    /// Selects the handshakes to resume, evenly spaced.
    private func nextResumption() -> TLSResumption {
        guard plan.resume > 0 else { return .off }
        resumeSum += plan.resume
        guard resumeSum >= 100 else { return .store }
        resumeSum -= 100
        return .offer
    }

    /// Counts a completed handshake by its version and cipher suite.
    func countAgreement(of session: TLSSession) {
        let (version, cipher) = (session.version, session.cipherName)
        if let index = agreements.firstIndex(where: { $0.cipher == cipher && $0.version == version }) {
            agreements[index].count += 1
        } else {
            agreements.append(Agreement(version: version, cipher: cipher, count: 1))
        }
    }

    /// Keeps encrypted bytes behind those that already wait for the socket; returns false if there is no room.
    func keep(_ bytes: UnsafeRawBufferPointer, in channel: UnsafeMutablePointer<TLSChannel>) -> Bool {
        guard channel.pointee.waiting.count + bytes.count <= Self.outputCapacity else { return false }
        let buffer =
            channel.pointee.output ?? spareOutputs.popLast()
            ?? .allocate(byteCount: Self.outputCapacity, alignment: 16)
        channel.pointee.output = buffer
        let waiting = channel.pointee.waiting
        if waiting.lowerBound > 0 {
            buffer.copyMemory(from: buffer + waiting.lowerBound, byteCount: waiting.count)
        }
        UnsafeMutableRawBufferPointer(start: buffer + waiting.count, count: bytes.count).copyMemory(from: bytes)
        channel.pointee.waiting = 0..<waiting.count + bytes.count
        return true
    }

    /// Keeps received bytes until the connection is read.
    func keepInput(_ bytes: UnsafeRawBufferPointer, in channel: UnsafeMutablePointer<TLSChannel>) {
        guard !bytes.isEmpty else { return }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        copy.copyMemory(from: bytes)
        channel.pointee.input = copy
    }
}

extension TLSChannel {
    /// The encrypted bytes that wait for the socket.
    var waitingBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: output.map { $0 + waiting.lowerBound }, count: waiting.count)
    }
}
