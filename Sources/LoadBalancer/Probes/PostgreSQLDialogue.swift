/// Asks a PostgreSQL server for a session, and stops at its first word (PostgreSQL, Frontend/Backend Protocol, 55.2.1).
///
/// An SSLRequest would be cheaper, but the server answers it before it looks at its own state. With the StartupMessage it
/// says whether it is starting up or shutting down, and says so before it asks who is there. So no account is needed:
///
/// - any request for authentication means that sessions are begun;
/// - an error of class 57 (57P03 while starting, shutting down or recovering), 58 or XX, or a lack of resources (class 53),
///   means that no session can be had;
/// - any other error is about whom we said we were, and the server that says it serves others;
/// - 53300, too many connections, is no failure either. The server is busy serving all that it has; to call it down
///   could cut them off, and push its load onto the others. What helps is a maximum of connections for the server.
struct PostgreSQLDialogue: Dialogue {
    let user: String

    /// NAMEDATALEN less its zero: the server cuts longer names.
    static let longestUser = 63

    private static let headerLength = 5
    /// Longer first messages are no PostgreSQL server's: libpq draws this line as well, at 30,000 bytes.
    private static let longestMessage = 8 << 10
    private static let protocolVersion: [UInt8] = [0, 3, 0, 0]
    private static let terminate: [UInt8] = [UInt8(ascii: "X"), 0, 0, 0, 4]

    var question: [UInt8] {
        var body = Self.protocolVersion
        for text in ["user", user, "database", "postgres", "application_name", "monkey health check"] {
            body += Array(text.utf8.filter { $0 != 0 }.prefix(Self.longestUser)) + [0]
        }
        body.append(0)
        return bigEndian(UInt32(body.count + 4)) + body
    }

    func judge(_ answer: [UInt8]) -> Verdict? {
        guard let type = answer.first else { return nil }
        guard answer.count >= Self.headerLength else {
            return [UInt8(ascii: "R"), UInt8(ascii: "E"), UInt8(ascii: "v")].contains(type) ? nil : stranger(answer)
        }
        let length = Int(answer[1]) << 24 | Int(answer[2]) << 16 | Int(answer[3]) << 8 | Int(answer[4])
        // The length counts itself and not the type.
        let isMessage = (4...Self.longestMessage).contains(length)
        switch type {
        case UInt8(ascii: "R"), UInt8(ascii: "v"):
            guard isMessage else { return stranger(answer) }
            guard answer.count >= length + 1 else { return nil }
            // Only in a session is there something to terminate: to a server that waits for a password a Terminate is a
            // protocol error for its log, and a closed connection is not.
            let isSession = type == UInt8(ascii: "R") && answer[5..<(length + 1)].elementsEqual([0, 0, 0, 0])
            return .up(farewell: isSession ? Self.terminate : nil)
        case UInt8(ascii: "E"):
            guard isMessage else { return bareError(answer) }
            guard answer.count >= length + 1 else { return nil }
            return judge(ServerError(fields: answer[5..<(length + 1)]))
        default:
            return stranger(answer)
        }
    }

    private func judge(_ error: ServerError) -> Verdict {
        let isLackOfResources = error.code.hasPrefix("53") && error.code != "53300"
        let isServerTrouble = ["57", "58", "XX"].contains { error.code.hasPrefix($0) }
        return isLackOfResources || isServerTrouble
            ? .down(.postgres(code: error.code, message: error.message))
            : .up()
    }

    /// A postmaster that cannot even fork says so in the form of protocol 2: a text up to a zero, without a length.
    private func bareError(_ answer: [UInt8]) -> Verdict? {
        guard let end = answer.firstIndex(of: 0) ?? (answer.count >= Self.longestMessage ? answer.endIndex : nil) else {
            return nil
        }
        return .down(.postgres(code: "", message: quoted(answer[1..<end])))
    }

    private func stranger(_ answer: [UInt8]) -> Verdict {
        .down(.unexpectedAnswer(wanted: "a PostgreSQL server's", got: quoted(answer)))
    }

    /// What an ErrorResponse says: fields of a letter and a text each, up to a zero (55.8).
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
