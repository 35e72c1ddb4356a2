/// Start of a MySQL or MariaDB session (MySQL Client/Server Protocol, connection phase).
///
/// The server sends first. Closing the connection after its greeting would be an aborted handshake, of which a server
/// only accepts `max_connect_errors` from one host before it blocks it. So the check authenticates without a password,
/// and needs no account:
///
/// - success, or an error that concerns the user of the check: up;
/// - an error about the server, or about the host that the connections of the proxy come from: down;
/// - 1040, too many connections, is not a failure either: the server is busy serving its existing connections.
struct MySQLHealthCheckExchange: HealthCheckExchange {
    let user: String
    /// Whether the session is encrypted, at the request of the check after the greeting (Protocol::SSLRequest).
    var usesTLS = false

    var request: [UInt8] { [] }
    var requestsTLS: Bool { usesTLS }

    private static let headerLength = 4
    /// A longer packet is not part of a handshake.
    private static let maxPacketLength = 8 << 10
    private static let quit: [UInt8] = [1, 0, 0, 0, 1]
    private static let plugin = "mysql_native_password"
    /// LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION and PLUGIN_AUTH.
    private static let capabilities: UInt32 = 0x0008_8201
    /// SSL.
    private static let tlsCapability: UInt32 = 0x0000_0800
    private static let charset: UInt8 = 45
    /// Errors after which no client can use the server: out of resources, shutdown, host blocked, host not allowed,
    /// cannot create a thread, offline mode.
    private static let failures: Set<Int> = [1041, 1053, 1129, 1130, 1135, 3032]
    private static let tooManyConnections = 1040

    func evaluate(_ answer: [UInt8]) -> Evaluation? { evaluate(answer, sent: 0) }

    func evaluate(_ answer: [UInt8], sent: Int) -> Evaluation? {
        var rest = answer[...]
        // Each request follows one packet of the server; the greeting was received before TLS.
        for _ in 0..<(usesTLS ? max(0, sent - 1) : sent) {
            guard case .packet = Self.packet(of: &rest) else { return nil }
        }
        switch Self.packet(of: &rest) {
        case .incomplete: return nil
        case .invalid: return unexpectedPeer(answer)
        case .packet(let number, let payload):
            if sent > 0 { return reply(payload, number, sent, answer) }
            // Bytes that follow the greeting did not come from the server if the handshake succeeds.
            if usesTLS, !rest.isEmpty { return unexpectedPeer(answer) }
            return greeting(payload, number, answer)
        }
    }

    private func greeting(_ payload: ArraySlice<UInt8>, _ number: UInt8, _ answer: [UInt8]) -> Evaluation {
        switch payload.first {
        case 10 where usesTLS:
            guard Self.supportsTLS(greeting: payload) else { return .down(.noTLS) }
            return .startTLS(
                after: Self.packet(sessionSettings, number: number &+ 1),
                request: Self.packet(response, number: number &+ 2)
            )
        case 10:
            return .next(Self.packet(response, number: number &+ 1))
        case 0xFF:
            guard let error = ServerError(payload) else { return unexpectedPeer(answer) }
            return error.code == Self.tooManyConnections
                ? .up() : .down(.mysql(code: error.code, message: error.message))
        default:
            return unexpectedPeer(answer)
        }
    }

    private func reply(_ payload: ArraySlice<UInt8>, _ number: UInt8, _ sent: Int, _ answer: [UInt8]) -> Evaluation {
        switch payload.first {
        case 0:
            return .up(closingMessage: Self.quit)
        case 0xFE where sent == 1:
            // Another authentication method: without a password there is nothing to send.
            return .next(Self.packet([], number: number &+ 1))
        case 1, 0xFE:
            return .up()
        case 0xFF:
            guard let error = ServerError(payload) else { return unexpectedPeer(answer) }
            return Self.failures.contains(error.code)
                ? .down(.mysql(code: error.code, message: error.message)) : .up()
        default:
            return unexpectedPeer(answer)
        }
    }

    /// Returns whether a greeting (Protocol::HandshakeV10) offers TLS. Its capabilities follow the version, a text that
    /// ends with zero, and 13 bytes.
    private static func supportsTLS(greeting: ArraySlice<UInt8>) -> Bool {
        guard let end = greeting.firstIndex(of: 0), greeting.endIndex - end > 15 else { return false }
        let capabilities = UInt32(greeting[end + 14]) | UInt32(greeting[end + 15]) << 8
        return capabilities & tlsCapability != 0
    }

    /// The beginning of the response; on its own, it is Protocol::SSLRequest.
    private var sessionSettings: [UInt8] {
        let maxPacketSize: UInt32 = 1 << 24
        let capabilities = usesTLS ? Self.capabilities | Self.tlsCapability : Self.capabilities
        return littleEndian(capabilities) + littleEndian(maxPacketSize) + [Self.charset]
            + [UInt8](repeating: 0, count: 23)
    }

    /// Protocol::HandshakeResponse41 without a password.
    private var response: [UInt8] {
        let name = user.utf8.filter { $0 != 0 }.prefix(PostgreSQLHealthCheckExchange.maxUserLength)
        return sessionSettings + name + [0, 0] + Array(Self.plugin.utf8) + [0]
    }

    private static func packet(_ payload: [UInt8], number: UInt8) -> [UInt8] {
        littleEndian(UInt32(payload.count)).prefix(3) + [number] + payload
    }

    private enum Packet {
        case packet(number: UInt8, payload: ArraySlice<UInt8>)
        case incomplete
        case invalid
    }

    /// Removes the first packet and returns it.
    private static func packet(of rest: inout ArraySlice<UInt8>) -> Packet {
        let header = Array(rest.prefix(headerLength))
        guard header.count == headerLength else { return .incomplete }
        let length = Int(header[0]) | Int(header[1]) << 8 | Int(header[2]) << 16
        guard (1...maxPacketLength).contains(length) else { return .invalid }
        let payload = rest.dropFirst(headerLength)
        guard payload.count >= length else { return .incomplete }
        rest = payload.dropFirst(length)
        return .packet(number: header[3], payload: payload.prefix(length))
    }

    private func unexpectedPeer(_ answer: [UInt8]) -> Evaluation {
        .down(.unexpectedAnswer(wanted: "a MySQL packet", got: quoted(answer)))
    }

    /// ERR packet: 0xFF, the number, in a session the SQLSTATE, and the message.
    private struct ServerError {
        let code: Int
        let message: String

        init?(_ payload: ArraySlice<UInt8>) {
            let bytes = Array(payload)
            guard bytes.count >= 3 else { return nil }
            code = Int(bytes[1]) | Int(bytes[2]) << 8
            let text = bytes.dropFirst(3)
            message = quoted(text.first == UInt8(ascii: "#") ? text.dropFirst(6) : text)
        }
    }
}

private func littleEndian(_ number: UInt32) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}
