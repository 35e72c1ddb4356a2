/// Kind of a health check.
public enum HealthCheckKind: Hashable, Sendable {
    /// Opens and closes a connection; passes if the server accepts it.
    case tcp
    /// Sends `send`, which may be empty if the server speaks first; passes if `expect` occurs within the first
    /// ``answerLimit`` bytes of the response.
    case sendExpect(send: [UInt8], expect: [UInt8])
    /// Starts a PostgreSQL session as `user`, which needs no account: a request for a password, or an error that
    /// reports an unknown user, also shows that the server is available.
    case postgres(user: String)
    /// Sends PING. A server that requires a password is up.
    case redis
    /// Sends a GET request; passes if the status code of the response is an expected one.
    case http(HTTPHealthCheck)

    /// Maximum number of bytes read of a response.
    public static let answerLimit = 16 << 10

    /// Default user of a PostgreSQL check, as it appears in the server's log.
    public static let defaultUser = "monkey"
}

/// Request of an HTTP check, and the status codes that pass.
public struct HTTPHealthCheck: Hashable, Sendable {
    /// Path and query, starting with a slash.
    public var path: String
    /// Value of the Host field (RFC 9110, 7.2).
    public var host: String
    /// Status codes that pass, within 100 to 599.
    public var expected: ClosedRange<Int>

    /// Creates a request of the root path that passes with a status code of 200 to 399.
    public init(path: String = "/", host: String = "localhost", expected: ClosedRange<Int> = 200...399) {
        self.path = path
        self.host = host
        self.expected = expected
    }
}

extension HealthCheckKind {
    /// Validates the parameters of the check.
    ///
    /// - Throws: ``ValidationError`` if the request cannot be sent as it is, or if no response could pass.
    public func validate() throws(ValidationError) {
        switch self {
        case .tcp, .redis:
            break
        case .sendExpect(_, let expect):
            if expect.isEmpty { throw .nothingExpected }
            if expect.count > Self.answerLimit { throw .longExpectation(expect.count) }
        case .postgres(let user):
            let fits = (1...PostgreSQLHealthCheckExchange.longestUser).contains(user.utf8.count)
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

    /// Application protocol of the check; nil if it only connects.
    var exchange: (any HealthCheckExchange)? {
        switch self {
        case .tcp: nil
        case .sendExpect(let send, let expect): ExpectedBytes(request: send, expected: expect)
        case .postgres(let user): PostgreSQLHealthCheckExchange(user: user)
        case .redis: RedisHealthCheckExchange()
        case .http(let check): HTTPHealthCheckExchange(check: check)
        }
    }
}
