/// GET request and evaluation of the response's status code (RFC 9112).
struct HTTPHealthCheckExchange: HealthCheckExchange {
    let check: HTTPHealthCheck

    var request: [UInt8] {
        let lines = [
            "GET \(check.path) HTTP/1.1", "Host: \(check.host)", "User-Agent: monkey-health-check", "Accept: */*",
            "Connection: close",
        ]
        return Array((lines + ["", ""]).joined(separator: "\r\n").utf8)
    }

    func evaluate(_ answer: [UInt8]) -> Evaluation? {
        var rest = answer[...]
        // Each iteration removes an interim response, so the limit of the response ends this loop.
        while true {
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
                let beginning = "HTTP/1.".utf8
                return zip(rest, beginning).allSatisfy(==) ? nil : unexpectedPeer(rest)
            }
            guard let status = Self.status(of: rest[..<end]) else { return unexpectedPeer(rest) }
            // 101 is a final response, although no upgrade was requested.
            if (100...199).contains(status), status != 101, !isExpected(status) {
                guard let finish = rest.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
                rest = rest[finish.upperBound...]
                continue
            }
            // Closing before the body is received would reset the connection.
            return isExpected(status)
                ? .up(closingMessage: [])
                : .down(.http(status: status, expected: check.expected))
        }
    }

    private func isExpected(_ status: Int) -> Bool { check.expected.contains { $0.contains(status) } }

    /// Returns the code of a status line such as `HTTP/1.1 200 OK`; nil if the line is not one.
    private static func status(of line: ArraySlice<UInt8>) -> Int? {
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[0].elementsEqual("HTTP/1.1".utf8) || words[0].elementsEqual("HTTP/1.0".utf8)
        else { return nil }
        let digits = words[1].last == UInt8(ascii: "\r") ? words[1].dropLast() : words[1]
        guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    private func unexpectedPeer(_ answer: ArraySlice<UInt8>) -> Evaluation {
        .down(.unexpectedAnswer(wanted: "an HTTP/1 status line", got: quoted(answer)))
    }
}
