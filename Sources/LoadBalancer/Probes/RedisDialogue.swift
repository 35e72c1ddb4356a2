/// PING, as RESP has it (Redis serialization protocol).
///
/// Errors about who asks (NOAUTH, WRONGPASS, NOPERM) come from a server that serves. Any other error is one that every
/// client would get for its commands: LOADING while the data set is read, MASTERDOWN from a replica without its master
/// that may not give stale data, BUSY in a script without end, MISCONF where it cannot save, DENIED in protected mode.
///
/// A server with all the clients that it may have is down too. It says so and closes before it has read anything, and
/// that resets the connection, mostly before its word is read: a full server cannot be told from one that breaks.
struct RedisDialogue: Dialogue {
    var question: [UInt8] { Array("*1\r\n$4\r\nPING\r\n".utf8) }

    func judge(_ answer: [UInt8]) -> Verdict? {
        guard let end = answer.firstIndex(of: UInt8(ascii: "\n")) else {
            let isReply = answer.isEmpty || answer[0] == UInt8(ascii: "+") || answer[0] == UInt8(ascii: "-")
            return isReply ? nil : stranger(answer)
        }
        let line = answer[..<end].last == UInt8(ascii: "\r") ? answer[..<(end - 1)] : answer[..<end]
        if line.elementsEqual("+PONG".utf8) { return .up() }
        guard line.first == UInt8(ascii: "-") else { return stranger(answer) }
        let message = quoted(line.dropFirst())
        let serves = ["NOAUTH ", "WRONGPASS ", "NOPERM "].contains {
            message.hasPrefix($0)
        }
        return serves ? .up() : .down(.redis(message: message))
    }

    private func stranger(_ answer: [UInt8]) -> Verdict {
        .down(.unexpectedAnswer(wanted: "PONG", got: quoted(answer)))
    }
}
