/// How a server is asked whether it can serve.
public enum Check: Hashable, Sendable {
    /// A connection is made and closed: somebody listens there.
    case tcp
    /// `send` is sent, which may be nothing where the server speaks first, and `expect` must come within the first
    /// ``answerLimit`` bytes of the answer.
    case sendExpect(send: [UInt8], expect: [UInt8])
    /// A connection is begun in the name of a user, who needs no account: that the server asks for a password, or says
    /// that there is no such user, shows that it serves. See ``PostgreSQLDialogue``.
    case postgres(user: String)
    /// PING. That the server asks for a password shows that it serves. See ``RedisDialogue``.
    case redis
    /// A GET request, whose answer's status must be one that is expected.
    case http(HTTPCheck)

    /// The most that is read of an answer, in bytes.
    public static let answerLimit = 16 << 10

    /// Whom a PostgreSQL server's log names for a check, where nobody else is chosen.
    public static let defaultUser = "monkey"
}

/// What is asked of an HTTP server, and which answers are good ones.
public struct HTTPCheck: Hashable, Sendable {
    /// The path and the query, from its slash on.
    public var path: String
    /// What the Host field says (RFC 9110, 7.2).
    public var host: String
    /// Good status codes, within 100 to 599.
    public var expected: ClosedRange<Int>

    public init(path: String = "/", host: String = "localhost", expected: ClosedRange<Int> = 200...399) {
        self.path = path
        self.host = host
        self.expected = expected
    }
}

/// Why a check cannot be made as it is written.
public enum CheckError: Error, Hashable, Sendable {
    case nothingExpected
    case longExpectation(Int)
    case badUser(String)
    case badPath(String)
    case badHost(String)
    case badStatus(ClosedRange<Int>)
}

extension CheckError: CustomStringConvertible {
    /// One sentence that says what is wrong and how to mend it.
    public var description: String {
        switch self {
        case .nothingExpected:
            "the check expects nothing: say which bytes the server's answer has, or check with tcp"
        case .longExpectation(let count):
            "the check expects \(count) bytes, and reads at most \(Check.answerLimit) of an answer"
        case .badUser(let user):
            "'\(user)' is no PostgreSQL user: it must have 1 to \(PostgreSQLDialogue.longestUser) bytes, none of them zero"
        case .badPath(let path):
            "'\(path)' is no path: it begins with a slash and has neither spaces nor control characters (RFC 3986)"
        case .badHost(let host):
            "'\(host)' is no host: it has at least one character, and neither spaces nor control characters"
        case .badStatus(let range):
            "\(range.lowerBound) to \(range.upperBound) are no HTTP status codes: they must be within 100 to 599"
        }
    }
}

extension Check {
    /// Finds what a server could not be asked, or could not answer.
    public func validate() throws(CheckError) {
        switch self {
        case .tcp, .redis:
            break
        case .sendExpect(_, let expect):
            if expect.isEmpty { throw .nothingExpected }
            if expect.count > Self.answerLimit { throw .longExpectation(expect.count) }
        case .postgres(let user):
            let fits = (1...PostgreSQLDialogue.longestUser).contains(user.utf8.count)
            if !fits || user.utf8.contains(0) { throw .badUser(user) }
        case .http(let check):
            let isWord = { (text: String) in !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) } }
            if !check.path.hasPrefix("/") || !isWord(check.path) { throw .badPath(check.path) }
            if !isWord(check.host) { throw .badHost(check.host) }
            if !(100...599).contains(check.expected.lowerBound) || check.expected.upperBound > 599 {
                throw .badStatus(check.expected)
            }
        }
    }

    /// What is said to the server, nil where it is enough to reach it.
    var dialogue: (any Dialogue)? {
        switch self {
        case .tcp: nil
        case .sendExpect(let send, let expect): ExpectedBytes(question: send, expected: expect)
        case .postgres(let user): PostgreSQLDialogue(user: user)
        case .redis: RedisDialogue()
        case .http(let check): HTTPDialogue(check: check)
        }
    }
}
