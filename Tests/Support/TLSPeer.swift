package import TLS
import Testing

/// One end of a TLS connection on a blocking socket: a client or a server of a test.
package final class TLSPeer {
    package let socket: TestSocket
    package let session: TLSSession
    private var input: [UInt8] = []

    private init(_ socket: TestSocket, _ session: TLSSession) {
        self.socket = socket
        self.session = session
    }

    deinit { session.release() }

    /// Starts a client on a connected socket.
    package static func client(
        _ socket: TestSocket,
        _ context: TLSContext,
        name: String = "example.com",
        resumption: TLSServer? = nil
    ) throws -> TLSPeer {
        let server = resumption ?? TLSServer(name)
        return TLSPeer(socket, try #require(TLSSession.connect(context, to: server)))
    }

    /// Starts a server on an accepted socket.
    package static func server(_ socket: TestSocket, _ context: TLSContext) throws -> TLSPeer {
        TLSPeer(socket, try #require(TLSSession.accept(context)))
    }

    private struct Step {
        var result: TransformResult
        var output: [UInt8]
    }

    /// Calls a function of the session until it does not need more input, and sends what it stores.
    @discardableResult
    private func run(_ body: (TLSSession, inout TransformBuffers) -> TransformResult) throws -> TransformResult {
        var room = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var output: [UInt8] = []
            var consumed = 0
            let result = input.withUnsafeBytes { input in
                room.withUnsafeMutableBytes { room in
                    var buffers = TransformBuffers(input: input, output: room)
                    let result = body(session, &buffers)
                    consumed = input.count - buffers.input.count
                    output = Array(room[..<buffers.outputCount])
                    return result
                }
            }
            input.removeFirst(consumed)
            if !output.isEmpty { try socket.send(output) }
            guard result == .needsInput else { return result }
            let received = try socket.receive(upTo: 64 << 10)
            if received.isEmpty { session.inputEnded() } else { input += received }
        }
    }

    package func handshake() throws -> TransformResult { try run { $0.handshake(&$1) } }

    package func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            var count = 0
            try run { session, buffers in
                bytes[sent...].withUnsafeBytes { session.encode($0, &buffers, count: &count) }
            }
            sent += count
        }
    }

    /// Sends close_notify; the socket stays open.
    package func end() throws { try run { $0.end(&$1) } }

    /// Receives until the peer's plaintext ends.
    package func receiveRest() throws -> (bytes: [UInt8], end: TransformResult) {
        var bytes: [UInt8] = []
        while true {
            let (piece, result) = try receive()
            bytes += piece
            if result != .done { return (bytes, result) }
        }
    }

    /// Receives exactly this many bytes.
    package func receive(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let (piece, result) = try receive(upTo: count - bytes.count)
            bytes += piece
            if result != .done { break }
        }
        return bytes
    }

    private func receive(upTo limit: Int = 64 << 10) throws -> ([UInt8], TransformResult) {
        var room = [UInt8](repeating: 0, count: limit)
        var count = 0
        let result = try run { session, buffers in
            room.withUnsafeMutableBytes { session.decode(&buffers, into: $0, count: &count) }
        }
        return (Array(room[..<count]), result)
    }
}
