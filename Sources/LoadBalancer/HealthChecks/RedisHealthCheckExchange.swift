/// PING request in RESP (Redis serialization protocol), with a ROLE request if the server must have a role.
///
/// Errors about the client (NOAUTH, WRONGPASS, NOPERM) come from a server that is up. Any other error is one that every
/// client would receive: LOADING while the data set is loaded, MASTERDOWN from a replica without its master that may
/// not serve stale data, BUSY during a script that does not end, MISCONF if it cannot save, DENIED in protected mode.
///
/// A server that has reached its maxclients limit also counts as down. It sends an error and closes before it reads
/// anything; this resets the connection, usually before the error is read, so a full server cannot be distinguished
/// from one that fails.
struct RedisHealthCheckExchange: HealthCheckExchange {
    /// Role that the server must have; nil accepts any.
    var role: HealthCheckKind.RedisRole?

    var request: [UInt8] {
        Array(("*1\r\n$4\r\nPING\r\n" + (role == nil ? "" : "*1\r\n$4\r\nROLE\r\n")).utf8)
    }

    func evaluate(_ answer: [UInt8]) -> Evaluation? {
        var rest = answer[...]
        guard let line = Self.line(of: &rest) else {
            let isReply = answer.isEmpty || answer[0] == UInt8(ascii: "+") || answer[0] == UInt8(ascii: "-")
            return isReply ? nil : unexpectedPeer("PONG", answer)
        }
        if line.elementsEqual("+PONG".utf8) {
            guard let role else { return .up() }
            return evaluate(rest, role: role)
        }
        guard line.first == UInt8(ascii: "-") else { return unexpectedPeer("PONG", answer) }
        let message = quoted(line.dropFirst())
        let serves = ["NOAUTH ", "WRONGPASS ", "NOPERM "].contains {
            message.hasPrefix($0)
        }
        return serves && role == nil ? .up() : .down(.redis(message: message))
    }

    /// Evaluates the reply to ROLE: an array whose first element is the role as a bulk string.
    private func evaluate(_ answer: ArraySlice<UInt8>, role: HealthCheckKind.RedisRole) -> Evaluation? {
        var rest = answer
        guard let array = Self.line(of: &rest) else { return nil }
        if array.first == UInt8(ascii: "-") { return .down(.redis(message: quoted(array.dropFirst()))) }
        guard array.first == UInt8(ascii: "*") else { return unexpectedPeer("a role", answer) }
        guard let length = Self.line(of: &rest) else { return nil }
        guard length.first == UInt8(ascii: "$") else { return unexpectedPeer("a role", answer) }
        guard let name = Self.line(of: &rest) else { return nil }
        // Redis still reports the former name of a replica.
        let names = role == .replica ? ["slave", "replica"] : [role.rawValue]
        return names.contains { name.elementsEqual($0.utf8) }
            ? .up() : .down(.redisRole(quoted(name), wanted: role.rawValue))
    }

    /// Removes the first line and returns it without its end; returns nil if it is incomplete.
    private static func line(of rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = rest[..<end]
        rest = rest[(end + 1)...]
        return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    private func unexpectedPeer(_ wanted: String, _ answer: some Collection<UInt8>) -> Evaluation {
        .down(.unexpectedAnswer(wanted: wanted, got: quoted(answer)))
    }
}
