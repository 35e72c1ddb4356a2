/// What a check says to a server, and what the answer means. Pure: whoever has the connection moves the bytes.
protocol Dialogue: Sendable {
    /// What is sent as soon as the connection stands.
    var question: [UInt8] { get }

    /// Judges all that has come so far; nil while it says nothing yet.
    func judge(_ answer: [UInt8]) -> Verdict?
}

enum Verdict: Hashable, Sendable {
    /// The server serves. A farewell, which may be empty, is sent and then the server left to close first, so that it has
    /// nothing to complain of in its log. Nil where it needs none.
    case up(farewell: [UInt8]? = nil)
    case down(ProbeFailure)
}

/// Somewhere in the answer these bytes must be.
struct ExpectedBytes: Dialogue {
    let question: [UInt8]
    let expected: [UInt8]

    func judge(_ answer: [UInt8]) -> Verdict? {
        answer.contains(expected) ? .up() : nil
    }
}

/// The text of a server that is not to be trusted, for a message of one line.
func quoted(_ bytes: some Collection<UInt8>) -> String {
    let limit = 160
    // A control character could forge a line of a log, or move a terminal's cursor.
    let text = String(decoding: bytes.prefix(limit), as: UTF8.self).unicodeScalars
        .map { $0.properties.generalCategory == .control ? " " : String($0) }.joined()
    return text.split(separator: " ").joined(separator: " ")
}
