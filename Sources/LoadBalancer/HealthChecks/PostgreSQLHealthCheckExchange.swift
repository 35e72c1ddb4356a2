/// Start of a PostgreSQL session and evaluation of the server's first message (PostgreSQL, Frontend/Backend Protocol,
/// 55.2.1).
///
/// An SSLRequest alone would be cheaper, but the server answers it before it checks its own state. In response to a
/// StartupMessage, the server reports that it is starting up or shutting down, and does so before authentication. No
/// account is needed:
///
/// - any authentication request means that the server accepts sessions: up;
/// - an error of class 57 (57P03 while starting, shutting down or recovering), 58 or XX, or of class 53 (insufficient
///   resources), means that no session is possible: down;
/// - any other error concerns the user or database of the check, and the server is available to others: up;
/// - 53300, too many connections, is not a failure either. The server is busy serving its existing connections; marking
///   it down could close them and shift its load to the other servers. The remedy is a connection limit for the server.
struct PostgreSQLHealthCheckExchange: HealthCheckExchange {
    let user: String
    /// Whether the session is encrypted, at the request of the check (55.2.10).
    var usesTLS = false

    /// NAMEDATALEN minus the terminating zero byte; the server truncates longer names.
    static let maxUserLength = 63

    private static let headerLength = 5
    /// A longer first message is not from a PostgreSQL server; libpq has such a limit too, at 30,000 bytes.
    private static let maxMessageLength = 8 << 10
    private static let protocolVersion: [UInt8] = [0, 3, 0, 0]
    private static let sslRequest: [UInt8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F]
    private static let terminate: [UInt8] = [UInt8(ascii: "X"), 0, 0, 0, 4]

    var request: [UInt8] { usesTLS ? Self.sslRequest : startup }
    var requestsTLS: Bool { usesTLS }

    private var startup: [UInt8] {
        var body = Self.protocolVersion
        for text in ["user", user, "database", "postgres", "application_name", "monkey health check"] {
            body += Array(text.utf8.filter { $0 != 0 }.prefix(Self.maxUserLength)) + [0]
        }
        body.append(0)
        return bigEndian(UInt32(body.count + 4)) + body
    }

    func evaluate(_ answer: [UInt8], sent: Int) -> Evaluation? {
        guard usesTLS, sent == 0 else { return evaluate(answer) }
        return switch answer.first {
        case nil: nil
        // Bytes that follow did not come from the server if the handshake succeeds (CVE-2021-23222).
        case UInt8(ascii: "S") where answer.count == 1: .startTLS(request: startup)
        case UInt8(ascii: "N"): .down(.noTLS)
        case UInt8(ascii: "E"): evaluate(answer)
        default: unexpectedPeer(answer)
        }
    }

    func evaluate(_ answer: [UInt8]) -> Evaluation? {
        guard let type = answer.first else { return nil }
        guard answer.count >= Self.headerLength else {
            return [UInt8(ascii: "R"), UInt8(ascii: "E"), UInt8(ascii: "v")].contains(type)
                ? nil : unexpectedPeer(answer)
        }
        let length = Int(answer[1]) << 24 | Int(answer[2]) << 16 | Int(answer[3]) << 8 | Int(answer[4])
        // The length includes itself but not the type.
        let isMessage = (4...Self.maxMessageLength).contains(length)
        switch type {
        case UInt8(ascii: "R"), UInt8(ascii: "v"):
            guard isMessage else { return unexpectedPeer(answer) }
            guard answer.count >= length + 1 else { return nil }
            // Terminate is valid only in a session. A server that waits for a password logs a Terminate as a protocol
            // error, but not a closed connection.
            let isSession = type == UInt8(ascii: "R") && answer[5..<(length + 1)].elementsEqual([0, 0, 0, 0])
            return .up(closingMessage: isSession ? Self.terminate : nil)
        case UInt8(ascii: "E"):
            guard isMessage else { return bareError(answer) }
            guard answer.count >= length + 1 else { return nil }
            return evaluate(ServerError(fields: answer[5..<(length + 1)]))
        default:
            return unexpectedPeer(answer)
        }
    }

    private func evaluate(_ error: ServerError) -> Evaluation {
        let isLackOfResources = error.code.hasPrefix("53") && error.code != "53300"
        let isServerTrouble = ["57", "58", "XX"].contains { error.code.hasPrefix($0) }
        return isLackOfResources || isServerTrouble
            ? .down(.postgres(code: error.code, message: error.message))
            : .up()
    }

    /// Parses an error in protocol 2 format, a zero-terminated text without a length: a postmaster that cannot fork
    /// sends one.
    private func bareError(_ answer: [UInt8]) -> Evaluation? {
        guard let end = answer.firstIndex(of: 0) ?? (answer.count >= Self.maxMessageLength ? answer.endIndex : nil)
        else {
            return nil
        }
        return .down(.postgres(code: "", message: quoted(answer[1..<end])))
    }

    private func unexpectedPeer(_ answer: [UInt8]) -> Evaluation {
        .down(.unexpectedAnswer(wanted: "a PostgreSQL message", got: quoted(answer)))
    }

    /// Fields of an ErrorResponse: each a type letter and a zero-terminated text (55.8).
    private struct ServerError {
        var code = ""
        var message = ""

        init(fields: ArraySlice<UInt8>) {
            for field in fields.split(separator: 0) {
                switch field.first {
                case UInt8(ascii: "C"): code = quoted(field.dropFirst())
                case UInt8(ascii: "M"): message = quoted(field.dropFirst())
                default: break
                }
            }
        }
    }
}

private func bigEndian(_ number: UInt32) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
}
