/// PING request in RESP (Redis serialization protocol).
///
/// Errors about the client (NOAUTH, WRONGPASS, NOPERM) come from a server that is up. Any other error is one that every
/// client would receive: LOADING while the data set is loaded, MASTERDOWN from a replica without its master that may
/// not serve stale data, BUSY during a script that does not end, MISCONF if it cannot save, DENIED in protected mode.
///
/// A server that has reached its maxclients limit also counts as down. It sends an error and closes before it reads
/// anything; this resets the connection, usually before the error is read, so a full server cannot be distinguished
/// from one that fails.
struct RedisHealthCheckExchange: HealthCheckExchange {
    var request: [UInt8] { Array("*1\r\n$4\r\nPING\r\n".utf8) }

    func evaluate(_ answer: [UInt8]) -> Evaluation? {
        guard let end = answer.firstIndex(of: UInt8(ascii: "\n")) else {
            let isReply = answer.isEmpty || answer[0] == UInt8(ascii: "+") || answer[0] == UInt8(ascii: "-")
            return isReply ? nil : unexpectedPeer(answer)
        }
        let line = answer[..<end].last == UInt8(ascii: "\r") ? answer[..<(end - 1)] : answer[..<end]
        if line.elementsEqual("+PONG".utf8) { return .up() }
        guard line.first == UInt8(ascii: "-") else { return unexpectedPeer(answer) }
        let message = quoted(line.dropFirst())
        let serves = ["NOAUTH ", "WRONGPASS ", "NOPERM "].contains {
            message.hasPrefix($0)
        }
        return serves ? .up() : .down(.redis(message: message))
    }

    private func unexpectedPeer(_ answer: [UInt8]) -> Evaluation {
        .down(.unexpectedAnswer(wanted: "PONG", got: quoted(answer)))
    }
}
