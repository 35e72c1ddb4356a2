import ValueFormats

/// Request of a health check and evaluation of the response. Pure: the caller does the I/O.
protocol HealthCheckExchange: Sendable {
    /// Bytes to send as soon as the connection is established, or as soon as the TLS handshake is complete.
    var request: [UInt8] { get }

    /// Whether the check asks the server for TLS (STARTTLS), so that the connection does not begin with the handshake.
    var requestsTLS: Bool { get }

    /// Evaluates all bytes received so far; returns nil if they are not conclusive yet.
    func evaluate(_ answer: [UInt8]) -> Evaluation?

    /// Evaluates all bytes received so far in a check with several requests.
    ///
    /// - Parameter sent: number of further requests sent, each of which was the `next` of an evaluation.
    func evaluate(_ answer: [UInt8], sent: Int) -> Evaluation?
}

extension HealthCheckExchange {
    var requestsTLS: Bool { false }

    func evaluate(_ answer: [UInt8], sent: Int) -> Evaluation? { evaluate(answer) }
}

enum Evaluation: Hashable, Sendable {
    /// The server is up. `closingMessage`, which may be empty, is sent, and the server is then left to close first, so that
    /// it does not log an error. If nil, the client closes immediately.
    case up(closingMessage: [UInt8]? = nil)
    case down(HealthCheckFailure)
    /// A further request must be sent.
    case next([UInt8])
    /// A message must be sent, then TLS starts, and a request follows; the bytes received before are not evaluated again.
    case startTLS(after: [UInt8] = [], request: [UInt8])
}

/// Check that passes if the response to each step contains the expected bytes at any offset.
struct ExpectedBytes: HealthCheckExchange {
    let steps: [HealthCheckKind.Step]

    var request: [UInt8] { steps[0].send }

    func evaluate(_ answer: [UInt8]) -> Evaluation? { evaluate(answer, sent: 0) }

    func evaluate(_ answer: [UInt8], sent: Int) -> Evaluation? {
        guard remainder(of: answer, after: sent + 1) != nil else { return nil }
        return sent + 1 < steps.count ? .next(steps[sent + 1].send) : .up()
    }

    /// Returns the bytes that the last step reached has received: those after the bytes expected by earlier steps.
    func received(in answer: [UInt8]) -> ArraySlice<UInt8> {
        var last = answer[...]
        for count in 1..<max(1, steps.count) {
            guard let rest = remainder(of: answer, after: count) else { break }
            last = rest
        }
        return last
    }

    /// Returns the bytes after those expected by the first steps; nil if not all of these have occurred.
    private func remainder(of answer: [UInt8], after count: Int) -> ArraySlice<UInt8>? {
        var rest = answer[...]
        for step in steps.prefix(count) {
            guard let range = rest.firstRange(of: step.expect) else { return nil }
            rest = rest[range.upperBound...]
        }
        return rest
    }
}

/// Returns received bytes as text on one line for a message: the first 80 characters, with escaped control characters.
func excerpt(_ bytes: some Collection<UInt8>) -> String {
    let limit = 80
    let text = String(decoding: bytes.prefix(4 * limit), as: UTF8.self)
    return String(text.prefix(limit)).onOneLine + (text.count > limit || bytes.count > 4 * limit ? "…" : "")
}

/// Formats text from an untrusted server for a one-line message, at most 160 bytes of it, without the end of its line and
/// with escaped control characters: they could forge a log line or move a terminal's cursor.
func quoted(_ bytes: some Collection<UInt8>) -> String {
    let limit = 160
    var text = Array(bytes.prefix(limit))
    while let last = text.last, [UInt8(ascii: "\r"), UInt8(ascii: "\n")].contains(last) { text.removeLast() }
    return String(decoding: text, as: UTF8.self).onOneLine
}
