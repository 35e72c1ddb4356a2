import FakeSystem
import Sockets
import TLS

@testable import LoadTester

/// A TLS server in a fake world that echoes, with a delay of a millisecond for each of its flights.
struct TLSTarget: FakeTarget {
    /// What the server does instead.
    enum Fault: Sendable {
        /// Never answers.
        case silent
        /// Answers the ClientHello with bytes that are not TLS.
        case garbage
        /// Resets the connection, or ends it, instead of answering the ClientHello.
        case resets
        case ends
        /// Ends the connection without close_notify a millisecond after its first response.
        case truncates
    }

    private final class Peer {
        let session: TLSSession
        var input: [UInt8] = []
        var isOpen = false
        var hasEnded = false

        init(_ session: TLSSession) { self.session = session }

        deinit { session.release() }
    }

    private let context: TLSContext
    private let fault: Fault?
    private let preamble: Int
    private var peers: [Int: Peer] = [:]
    /// Bytes of a PROXY protocol header that are still to come.
    private var preambles: [Int: Int] = [:]

    /// - Parameter preamble: number of bytes in front of the handshake.
    init(_ context: TLSContext, fault: Fault? = nil, preamble: Int = 0) {
        self.context = context
        self.fault = fault
        self.preamble = preamble
    }

    mutating func connected(_ number: Int, at now: Instant) -> [TargetEvent] {
        peers[number] = TLSSession.accept(context).map(Peer.init)
        preambles[number] = preamble
        return []
    }

    mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
        let later = now + .milliseconds(1)
        switch fault {
        case .silent: return []
        case .garbage: return [TargetEvent(at: later, .send(Array("HTTP/1.1 400 Bad Request\r\n".utf8)))]
        case .resets: return [TargetEvent(at: later, .reset)]
        case .ends: return [TargetEvent(at: later, .finish)]
        case .truncates, nil: break
        }
        guard let peer = peers[number] else { return [] }
        let skipped = min(bytes.count, preambles[number] ?? 0)
        preambles[number]? -= skipped
        peer.input += bytes.dropFirst(skipped)
        let (output, responds) = advance(peer)
        var events = output.isEmpty ? [] : [TargetEvent(at: later, .send(output))]
        if peer.hasEnded { events.append(TargetEvent(at: later, .finish)) }
        if responds, fault == .truncates { events.append(TargetEvent(at: later + .milliseconds(1), .finish)) }
        return events
    }

    mutating func end(_ number: Int, at now: Instant) -> [TargetEvent] {
        guard let peer = peers[number] else { return [] }
        var output: [UInt8] = []
        if !peer.hasEnded, peer.isOpen { _ = step(peer, &output) { $0.end(&$1) } }
        peer.hasEnded = true
        return [TargetEvent(at: now, .send(output)), TargetEvent(at: now, .finish)]
    }

    /// Processes the input; returns what to send, and whether it contains a response.
    private func advance(_ peer: Peer) -> (output: [UInt8], responds: Bool) {
        var output: [UInt8] = []
        var responds = false
        if !peer.isOpen {
            peer.isOpen = step(peer, &output) { $0.handshake(&$1) } == .done
            guard peer.isOpen else { return (output, false) }
        }
        var room = [UInt8](repeating: 0, count: 32 << 10)
        while true {
            var count = 0
            let result = step(peer, &output) { session, buffers in
                room.withUnsafeMutableBytes { session.decode(&buffers, into: $0, count: &count) }
            }
            responds = responds || count > 0
            var sent = 0
            while sent < count {
                var taken = 0
                _ = step(peer, &output) { session, buffers in
                    room[sent..<count].withUnsafeBytes { session.encode($0, &buffers, count: &taken) }
                }
                sent += taken
            }
            if result == .closed, !peer.hasEnded {
                peer.hasEnded = true
                _ = step(peer, &output) { $0.end(&$1) }
            }
            if result != .done { return (output, responds) }
        }
    }

    private func step(
        _ peer: Peer,
        _ output: inout [UInt8],
        _ body: (TLSSession, inout TransformBuffers) -> TransformResult
    ) -> TransformResult {
        var room = [UInt8](repeating: 0, count: 64 << 10)
        var consumed = 0
        let result = peer.input.withUnsafeBytes { input in
            room.withUnsafeMutableBytes { room in
                var buffers = TransformBuffers(input: input, output: room)
                let result = body(peer.session, &buffers)
                consumed = input.count - buffers.input.count
                output += room[..<buffers.outputCount]
                return result
            }
        }
        peer.input.removeFirst(consumed)
        return result
    }
}
