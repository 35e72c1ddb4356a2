import Fuzzing
import TLS

/// Harnesses of the seam between the relay and the TLS library: a session gets hostile input in any pieces, as from a socket.
@main
struct Transforms {
    static func main() {
        Harness.main([
            Harness("handshakes", run: handshakes), Harness("records", run: records),
            Harness("certificates", run: certificates),
        ])
    }

    private static let name = "fuzz.test"

    private static let contexts: (server: TLSContext, client: TLSContext) = {
        do {
            let certificate = try TLSCertificate.selfSigned(name: name, isAddress: false)
            var server = TLSServerSettings(certificates: [certificate])
            server.parameters.protocols = ["h2", "http/1.1"]
            var client = TLSClientSettings(verification: .authorities(certificate.chain))
            client.parameters.protocols = ["h2"]
            return (try TLSContext(server: server), try TLSContext(client: client))
        } catch {
            fatalError("cannot prepare TLS: \(error)")
        }
    }()

    /// Checks that neither side of a handshake accepts arbitrary bytes, and that each call makes progress or ends.
    ///
    /// - Parameter bytes: the length of the first piece, and the bytes that the session receives.
    @Sendable
    static func handshakes(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let input = Array(bytes.dropFirst())
        let split = Int(first) % (input.count + 1)
        let server = TLSServer(name)
        guard let accepted = TLSSession.accept(contexts.server),
            let connected = TLSSession.connect(contexts.client, to: server)
        else { fatalError("out of memory") }
        for session in [accepted, connected] {
            var pending = Array(input[..<split])
            let early = run(session, &pending)
            pending += input[split...]
            let result = early == .needsInput ? run(session, &pending) : early
            precondition(result == .needsInput || result == .failed, "a handshake with arbitrary bytes was \(result)")
            precondition(result == .needsInput || session.failure != 0, "a failure without a cause")
            _ = TLSFailure(code: session.failure).description
            session.release()
        }
    }

    /// Continues a handshake as far as its input goes.
    private static func run(_ session: TLSSession, _ pending: inout [UInt8]) -> TransformResult {
        let result = step(session, &pending) { $0.handshake(&$1) }.result
        precondition(result != .needsInput || pending.isEmpty, "input is left although more is needed")
        return result
    }

    /// Checks that what a session decodes is a prefix of what its peer has sent, whatever happens to the records.
    ///
    /// - Parameter bytes: pairs of a position in the records, and a value that alters them there.
    @Sendable
    static func records(_ bytes: [UInt8]) {
        let server = TLSServer(name)
        guard let accepted = TLSSession.accept(contexts.server),
            let connected = TLSSession.connect(contexts.client, to: server)
        else { fatalError("out of memory") }
        defer {
            accepted.release()
            connected.release()
        }
        var toServer: [UInt8] = []
        var toClient: [UInt8] = []
        for _ in 0..<4 {
            toServer += step(connected, &toClient) { $0.handshake(&$1) }.output
            toClient += step(accepted, &toServer) { $0.handshake(&$1) }.output
        }
        let sent = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
        var stream: [UInt8] = []
        for message in stride(from: 0, to: sent.count, by: 100) {
            var count = 0
            stream +=
                step(connected, &toClient) { session, buffers in
                    sent[message..<(message + 100)].withUnsafeBytes { session.encode($0, &buffers, count: &count) }
                }.output
            precondition(count == 100, "a message was encoded in part")
        }
        for index in stride(from: 0, to: bytes.count - 2, by: 3) {
            stream[(Int(bytes[index]) << 8 + Int(bytes[index + 1])) % stream.count] ^= bytes[index + 2]
        }
        var received: [UInt8] = []
        var result = TransformResult.done
        // Terminates: each iteration consumes a record, or ends.
        while result == .done {
            var room = [UInt8](repeating: 0, count: 1024)
            var count = 0
            result =
                step(accepted, &stream) { session, buffers in
                    room.withUnsafeMutableBytes { session.decode(&buffers, into: $0, count: &count) }
                }.result
            received += room[..<count]
        }
        precondition(sent.starts(with: received), "bytes were delivered that were not sent")
        precondition(received.count == sent.count || result != .closed, "an end was delivered that was not sent")
    }

    /// Checks that any bytes can be read as a certificate or rejected with a reason.
    @Sendable
    static func certificates(_ bytes: [UInt8]) {
        do {
            let info = try CertificateInfo(PEMText(name: "input", bytes: bytes))
            precondition(info.names.allSatisfy { !$0.isEmpty }, "an empty name")
        } catch {
            precondition(!"\(error)".isEmpty, "an error without a reason")
        }
    }

    /// Calls a function of a session with its input; removes what it has consumed and returns its output.
    private static func step(
        _ session: TLSSession,
        _ input: inout [UInt8],
        _ body: (TLSSession, inout TransformBuffers) -> TransformResult
    ) -> (result: TransformResult, output: [UInt8]) {
        var room = [UInt8](repeating: 0, count: 64 * 1024)
        var consumed = 0
        var output: [UInt8] = []
        let result = input.withUnsafeBytes { bytes in
            room.withUnsafeMutableBytes { room in
                var buffers = TransformBuffers(input: bytes, output: room)
                let result = body(session, &buffers)
                precondition(
                    buffers.input.count <= bytes.count && buffers.outputCount <= room.count,
                    "outside a buffer"
                )
                consumed = bytes.count - buffers.input.count
                output = Array(room[..<buffers.outputCount])
                return result
            }
        }
        input.removeFirst(consumed)
        return (result, output)
    }
}
