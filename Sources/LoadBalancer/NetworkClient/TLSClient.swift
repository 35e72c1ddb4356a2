import TLS

/// The client's end of a TLS connection in memory: the caller passes on what it receives and sends ``takeOutput()``.
final class TLSClient {
    private let session: TLSSession
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var room = [UInt8](repeating: 0, count: 2 * TransformBuffers.maxRecord)

    /// - Parameter session: released with this object.
    init(_ session: TLSSession) {
        self.session = session
    }

    deinit { session.release() }

    /// The cause of the failure.
    var failure: TLSFailure { TLSFailure(code: session.failure) }

    func receive(_ bytes: some Sequence<UInt8>) { input += bytes }

    /// Records that the peer has ended the stream.
    func receiveEnd() { session.inputEnded() }

    /// Returns the bytes to send, and removes them.
    func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    /// Continues the handshake.
    func handshake() -> TransformResult { step { $0.handshake(&$1) } }

    /// Returns the next plaintext, which is empty unless the result is ``TransformResult/done``.
    func decode() -> (result: TransformResult, plaintext: [UInt8]) {
        var plaintext = [UInt8](repeating: 0, count: TransformBuffers.maxRecord)
        var count = 0
        let result = step { session, buffers in
            plaintext.withUnsafeMutableBytes { session.decode(&buffers, into: $0, count: &count) }
        }
        return (result, result == .done ? Array(plaintext[..<count]) : [])
    }

    /// Encodes plaintext.
    ///
    /// - Returns: false if the connection has failed.
    func encode(_ plaintext: [UInt8]) -> Bool {
        var rest = plaintext[...]
        // Terminates: each iteration encodes at least one byte.
        while !rest.isEmpty {
            var count = 0
            let result = step { session, buffers in
                rest.withUnsafeBytes { session.encode($0, &buffers, count: &count) }
            }
            guard result == .done, count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Encodes the end of this side's plaintext.
    func end() { _ = step { $0.end(&$1) } }

    /// Calls a function of the session until its output fits.
    private func step(_ body: (TLSSession, inout TransformBuffers) -> TransformResult) -> TransformResult {
        while true {
            var (consumed, stored) = (0, 0)
            let result = input.withUnsafeBytes { input in
                room.withUnsafeMutableBytes { room in
                    var buffers = TransformBuffers(input: input, output: room)
                    let result = body(session, &buffers)
                    (consumed, stored) = (input.count - buffers.input.count, buffers.outputCount)
                    return result
                }
            }
            input.removeFirst(consumed)
            output += room[..<stored]
            guard result == .needsOutput, stored > 0 else { return result }
        }
    }
}
