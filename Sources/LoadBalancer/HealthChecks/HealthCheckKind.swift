/// Kind of a health check.
public enum HealthCheckKind: Hashable, Sendable {
    /// Opens and closes a connection; passes if the server accepts it.
    case tcp
    /// Performs the steps in order, at most ``maxSteps``; passes if the expected bytes of each occur in the response,
    /// after those of the step before and within the first ``answerLimit`` bytes.
    case sendExpect([Step])
    /// Starts a PostgreSQL session as `user`, which needs no account: a request for a password, or an error that
    /// reports an unknown user, also shows that the server is available.
    case postgres(user: String)
    /// Sends PING. A server that requires a password is up.
    case redis
    /// Sends PING and ROLE; passes if the server has the role. A server that requires a password is down, because it
    /// does not report its role.
    case redisRole(RedisRole)
    /// Starts a MySQL or MariaDB session as `user`, which needs no account: an error about the user also shows that the
    /// server is available.
    case mysql(user: String)
    /// Sends a GET request; passes if the status code of the response is an expected one.
    case http(HTTPHealthCheck)

    /// Step of a `send-expect` check.
    public struct Step: Hashable, Sendable {
        /// Bytes to send; may be empty if the server speaks first.
        public var send: [UInt8]
        /// Bytes that the response must contain.
        public var expect: [UInt8]

        /// Creates a step.
        public init(send: [UInt8], expect: [UInt8]) {
            self.send = send
            self.expect = expect
        }
    }

    /// Role of a Redis server in replication.
    public enum RedisRole: String, Hashable, Sendable, CaseIterable {
        /// Takes writes.
        case master
        /// Replicates a master.
        case replica
    }

    /// Returns a `send-expect` check of one step.
    public static func sendExpect(send: [UInt8], expect: [UInt8]) -> Self {
        .sendExpect([Step(send: send, expect: expect)])
    }

    /// Maximum number of steps of a `send-expect` check.
    public static let maxSteps = 16

    /// Maximum number of bytes read of a response.
    public static let answerLimit = 16 << 10

    /// Default user of a PostgreSQL or MySQL check, as it appears in the server's log.
    public static let defaultUser = "monkey"
}

/// Request of an HTTP check, and the status codes that pass.
public struct HTTPHealthCheck: Hashable, Sendable {
    /// Path and query, starting with a slash.
    public var path: String
    /// Value of the Host field (RFC 9110, 7.2).
    public var host: String
    /// Status codes that pass, within 100 to 599; at least one range.
    public var expected: [ClosedRange<Int>]

    /// Creates a request, by default of the root path, that passes with a status code of 200 to 399.
    public init(path: String = "/", host: String = "localhost", expected: [ClosedRange<Int>] = [200...399]) {
        self.path = path
        self.host = host
        self.expected = expected
    }

    /// Creates a request that passes with the status codes of one range.
    public init(path: String = "/", host: String = "localhost", expected: ClosedRange<Int>) {
        self.init(path: path, host: host, expected: [expected])
    }
}

extension HealthCheckKind {
    /// Validates the parameters of the check.
    ///
    /// - Throws: ``ValidationError`` if the request cannot be sent as it is, or if no response could pass.
    public func validate() throws(ValidationError) {
        switch self {
        case .tcp, .redis, .redisRole:
            break
        case .sendExpect(let steps):
            guard (1...Self.maxSteps).contains(steps.count) else { throw .badStepCount(steps.count) }
            for step in steps where step.expect.isEmpty { throw .nothingExpected }
            let count = steps.reduce(0) { $0 + $1.expect.count }
            if count > Self.answerLimit { throw .longExpectation(count) }
        case .postgres(let user), .mysql(let user):
            let fits = (1...PostgreSQLHealthCheckExchange.maxUserLength).contains(user.utf8.count)
            if !fits || user.utf8.contains(0) { throw .badUser(user) }
        case .http(let check):
            let isWord = { (text: String) in !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) } }
            if !check.path.hasPrefix("/") || !isWord(check.path) { throw .badPath(check.path) }
            if !isWord(check.host) { throw .badHost(check.host) }
            if check.expected.isEmpty { throw .badStatus(0...0) }
            for codes in check.expected where codes.lowerBound < 100 || codes.upperBound > 599 {
                throw .badStatus(codes)
            }
        }
    }

    /// Returns the application protocol of the check; nil if it only connects.
    func exchange(withTLS usesTLS: Bool) -> (any HealthCheckExchange)? {
        switch self {
        case .tcp: nil
        case .sendExpect(let steps): ExpectedBytes(steps: steps)
        case .postgres(let user): PostgreSQLHealthCheckExchange(user: user, usesTLS: usesTLS)
        case .redis: RedisHealthCheckExchange()
        case .redisRole(let role): RedisHealthCheckExchange(role: role)
        case .mysql(let user): MySQLHealthCheckExchange(user: user, usesTLS: usesTLS)
        case .http(let check): HTTPHealthCheckExchange(check: check)
        }
    }

    /// Application protocols to offer in a TLS handshake; nil offers those of the pool.
    var applicationProtocols: [String]? {
        if case .http = self { ["http/1.1"] } else { nil }
    }
}
