import Randomness
import Testing

@testable import LoadBalancer

/// Responses of each kind of server, evaluated without a connection.
@Suite("Health check exchanges")
struct HealthCheckExchangeTests {
    // MARK: PostgreSQL

    static let postgres = PostgreSQLHealthCheckExchange(user: "monkey")

    @Test("the startup message of PostgreSQL has protocol version 3")
    func postgresRequest() {
        let request = Self.postgres.request
        #expect(request.prefix(8) == [0, 0, 0, UInt8(request.count), 0, 3, 0, 0])
        let text = String(decoding: request.dropFirst(8), as: UTF8.self)
        #expect(text == "user\0monkey\0database\0postgres\0application_name\0monkey health check\0\0")
    }

    @Test(
        "any authentication request of PostgreSQL counts as up",
        arguments: [
            (kind: 0, isSession: true), (kind: 3, isSession: false), (kind: 5, isSession: false),
            (kind: 10, isSession: false),
        ]
    )
    func postgresAuthentication(kind: UInt8, isSession: Bool) {
        let tail: [UInt8] = kind == 10 ? Array("SCRAM-SHA-256\0\0".utf8) : kind == 5 ? [1, 2, 3, 4] : []
        let evaluation = evaluatedByteByByte(postgresMessage("R", [0, 0, 0, kind] + tail), Self.postgres)
        // A server that waits for a password is sent nothing more.
        #expect(evaluation == .up(closingMessage: isSession ? [UInt8(ascii: "X"), 0, 0, 0, 4] : nil))
    }

    @Test(
        "a PostgreSQL error about the user counts as up",
        arguments: ["28000", "28P01", "3D000", "53300", "42501", "08P01", "0A000"]
    )
    func postgresUserErrors(code: String) {
        #expect(evaluatedByteByByte(postgresError(code, "no"), Self.postgres) == .up())
    }

    @Test(
        "a PostgreSQL error about the server counts as down",
        arguments: ["57P03", "57P01", "57014", "58000", "XX000", "53100", "53200", "53400"]
    )
    func postgresServerErrors(code: String) {
        let text = "the database system is starting up"
        let failure = HealthCheckFailure.postgres(code: code, message: text)
        #expect(evaluatedByteByByte(postgresError(code, text), Self.postgres) == .down(failure))
        #expect(failure.description == "PostgreSQL error: \(text) (\(code))")
    }

    @Test("an error without a length is parsed as one of the postmaster")
    func postmasterError() {
        let answer = Array("Ecould not fork new process for connection: Cannot allocate memory\n\0".utf8)
        let failure = HealthCheckFailure.postgres(
            code: "",
            message: "could not fork new process for connection: Cannot allocate memory"
        )
        #expect(evaluatedByteByByte(answer, Self.postgres) == .down(failure))
        #expect(failure.description.hasSuffix("Cannot allocate memory"))
    }

    @Test(
        "responses of other servers are not PostgreSQL messages",
        arguments: ["HTTP/1.1 400 Bad Request\r\n", "-ERR no\r\n", "SSH-2.0-OpenSSH", "\0\0\0\0\0"]
    )
    func notPostgreSQL(answer: String) {
        guard
            case .down(.unexpectedAnswer(wanted: "a PostgreSQL message", _)) =
                evaluatedByteByByte(Array(answer.utf8), Self.postgres)
        else {
            Issue.record("counted as a PostgreSQL response")
            return
        }
    }

    // MARK: Redis

    @Test(
        "a Redis error about permissions counts as up",
        arguments: [
            "+PONG\r\n", "-NOAUTH Authentication required.\r\n", "-WRONGPASS invalid username-password pair\r\n",
            "-NOPERM this user has no permissions to run the 'ping' command\r\n",
        ]
    )
    func redisUp(answer: String) {
        #expect(evaluatedByteByByte(Array(answer.utf8), RedisHealthCheckExchange()) == .up())
    }

    @Test(
        "a Redis error about the server counts as down",
        arguments: [
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "BUSY Redis is busy running a script.", "MISCONF Redis is configured to save RDB snapshots", "ERR unknown",
            "DENIED Redis is running in protected mode", "ERR max number of clients reached",
        ]
    )
    func redisDown(message: String) {
        let evaluation = evaluatedByteByByte(Array("-\(message)\r\n".utf8), RedisHealthCheckExchange())
        #expect(evaluation == .down(.redis(message: message)))
        #expect(HealthCheckFailure.redis(message: message).description == "Redis error: \(message)")
    }

    @Test(
        "another response to PING counts as down",
        arguments: ["HTTP/1.1 400 Bad Request\r\n", ":1\r\n", "+OK\r\n", "$4\r\nPONG\r\n"]
    )
    func notRedis(answer: String) {
        guard
            case .down(.unexpectedAnswer(wanted: "PONG", _)) = evaluatedByteByByte(
                Array(answer.utf8),
                RedisHealthCheckExchange()
            )
        else {
            Issue.record("counted as PONG")
            return
        }
    }

    @Test(
        "a Redis server is up if it has the role",
        arguments: [("master", HealthCheckKind.RedisRole.master), ("slave", .replica), ("replica", .replica)]
    )
    func redisRole(name: String, role: HealthCheckKind.RedisRole) {
        let exchange = RedisHealthCheckExchange(role: role)
        #expect(exchange.request == Array("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nROLE\r\n".utf8))
        let answer = Array("+PONG\r\n*3\r\n$\(name.utf8.count)\r\n\(name)\r\n:0\r\n*0\r\n".utf8)
        #expect(evaluatedByteByByte(answer, exchange) == .up())
        let other = RedisHealthCheckExchange(role: role == .master ? .replica : .master)
        let failure = HealthCheckFailure.redisRole(name, wanted: role == .master ? "replica" : "master")
        #expect(evaluatedByteByByte(answer, other) == .down(failure))
    }

    @Test(
        "a Redis server that does not report its role is down",
        arguments: ["-NOAUTH Authentication required.\r\n", "+PONG\r\n-NOPERM no permission\r\n", "+PONG\r\n:1\r\n"]
    )
    func noRedisRole(answer: String) {
        let evaluation = evaluatedByteByByte(Array(answer.utf8), RedisHealthCheckExchange(role: .master))
        guard case .down = evaluation else {
            Issue.record("not down: \(String(describing: evaluation))")
            return
        }
    }

    // MARK: MySQL

    private static let mysql = MySQLHealthCheckExchange(user: "monkey")

    private func packet(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [UInt8(payload.count & 0xFF), UInt8(payload.count >> 8), 0, number] + payload
    }

    /// Protocol version 10, the server's version, and some of what follows.
    private var greeting: [UInt8] {
        packet(0, [10] + Array("8.4.0".utf8) + [0, 1, 0, 0, 0] + [UInt8](repeating: 0x41, count: 40))
    }

    private func error(_ number: UInt8, _ code: Int, _ message: String) -> [UInt8] {
        packet(number, [0xFF, UInt8(code & 0xFF), UInt8(code >> 8)] + Array(message.utf8))
    }

    @Test("the MySQL greeting is answered with a handshake without a password")
    func mysqlGreeting() throws {
        #expect(Self.mysql.request.isEmpty)
        guard case .next(let response) = evaluatedByteByByte(greeting, Self.mysql) else {
            Issue.record("no response to the greeting")
            return
        }
        #expect(response[3] == 1 && Int(response[0]) == response.count - 4)
        #expect(Array(response[36...]) == Array("monkey\0\0mysql_native_password\0".utf8))
    }

    @Test("a MySQL session, and errors about its user, count as up")
    func mysqlUp() {
        let denied = error(2, 1045, "#28000Access denied for user 'monkey'@'10.0.0.9' (using password: NO)")
        #expect(Self.mysql.evaluate(greeting + denied, sent: 1) == .up())
        let quit: [UInt8] = [1, 0, 0, 0, 1]
        #expect(Self.mysql.evaluate(greeting + packet(2, [0, 0, 0, 2, 0, 0, 0]), sent: 1) == .up(closingMessage: quit))
        let other = packet(2, [0xFE] + Array("caching_sha2_password\0".utf8))
        #expect(Self.mysql.evaluate(greeting + other, sent: 1) == .next([0, 0, 0, 3]))
        #expect(Self.mysql.evaluate(greeting + other, sent: 2) == nil)
        let last = error(4, 1045, "#28000Access denied")
        #expect(Self.mysql.evaluate(greeting + other + last, sent: 2) == .up())
        #expect(Self.mysql.evaluate(error(0, 1040, "Too many connections")) == .up())
    }

    @Test("MySQL errors about the server or the proxy's host count as down")
    func mysqlDown() {
        let blocked = "Host '10.0.0.9' is blocked because of many connection errors"
        #expect(Self.mysql.evaluate(error(0, 1129, blocked)) == .down(.mysql(code: 1129, message: blocked)))
        let shutdown = error(2, 1053, "#08S01Server shutdown in progress")
        #expect(
            Self.mysql.evaluate(greeting + shutdown, sent: 1)
                == .down(.mysql(code: 1053, message: "Server shutdown in progress"))
        )
        for bytes in [Array("SSH-2.0-OpenSSH\r\n".utf8), packet(0, [9, 0]), [0, 0, 0, 0]] {
            guard case .down(.unexpectedAnswer) = Self.mysql.evaluate(bytes) else {
                Issue.record("counted as MySQL: \(bytes)")
                continue
            }
        }
    }

    // MARK: HTTP

    static let http = HTTPHealthCheckExchange(
        check: HTTPHealthCheck(path: "/health?deep=1", host: "db.example", expected: 200...299)
    )

    @Test("the HTTP request contains host and path")
    func httpRequest() {
        let request = String(decoding: Self.http.request, as: UTF8.self)
        #expect(request.hasPrefix("GET /health?deep=1 HTTP/1.1\r\nHost: db.example\r\n"))
        #expect(request.contains("\r\nConnection: close\r\n"))
        #expect(request.hasSuffix("\r\n\r\n"))
    }

    @Test(
        "an expected HTTP status counts as up",
        arguments: ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 204\r\n", "HTTP/1.1 299 \n"]
    )
    func httpExpected(line: String) {
        #expect(evaluatedByteByByte(Array(line.utf8), Self.http) == .up(closingMessage: []))
    }

    @Test("an unexpected HTTP status counts as down")
    func httpUnexpected() {
        let failure = HealthCheckFailure.http(status: 503, expected: [200...299])
        #expect(evaluatedByteByByte(Array("HTTP/1.1 503 Busy\r\n".utf8), Self.http) == .down(failure))
        #expect(failure.description == "HTTP 503, not 200 to 299")
        #expect(HealthCheckFailure.http(status: 500, expected: [200...200]).description == "HTTP 500, not 200")
    }

    @Test(
        "several ranges of HTTP status codes may pass",
        arguments: [(200, true), (299, true), (304, true), (303, false)]
    )
    func httpRanges(status: Int, passes: Bool) {
        let exchange = HTTPHealthCheckExchange(check: HTTPHealthCheck(expected: [200...299, 304...304]))
        let evaluation = evaluatedByteByByte(Array("HTTP/1.1 \(status) X\r\n".utf8), exchange)
        #expect((evaluation == .up(closingMessage: [])) == passes)
        let failure = HealthCheckFailure.http(status: 303, expected: exchange.check.expected)
        #expect(failure.description == "HTTP 303, not 200 to 299 or 304")
    }

    @Test("an interim HTTP response is skipped")
    func httpInterim() {
        let answer = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 200 OK\r\n"
        #expect(evaluatedByteByByte(Array(answer.utf8), Self.http) == .up(closingMessage: []))
        #expect(Self.http.evaluate(Array("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n".utf8)) == nil)
    }

    @Test(
        "an invalid status line counts as down",
        arguments: [
            "SSH-2.0-OpenSSH\r\n", "HTTP/2 200\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1  200\r\n", "HTTP/1.1\r\n",
        ]
    )
    func httpInvalid(line: String) {
        guard case .down(.unexpectedAnswer) = evaluatedByteByByte(Array(line.utf8), Self.http) else {
            Issue.record("counted as a status line")
            return
        }
    }

    // MARK: All

    @Test("expected bytes may arrive in any chunks")
    func expectedBytes() {
        let exchange = ExpectedBytes(steps: [.init(send: [], expect: Array("220 ".utf8))])
        #expect(evaluatedByteByByte(Array("..220".utf8), exchange) == nil)
        #expect(evaluatedByteByByte(Array("..220 mail".utf8), exchange) == .up())
    }

    @Test("each step expects its bytes after those of the step before")
    func steps() {
        let exchange = ExpectedBytes(steps: [
            .init(send: Array("a".utf8), expect: Array("one".utf8)), .init(send: [], expect: Array("two".utf8)),
            .init(send: Array("c".utf8), expect: Array("one".utf8)),
        ])
        #expect(exchange.request == Array("a".utf8))
        func evaluate(_ text: String, _ sent: Int) -> Evaluation? { exchange.evaluate(Array(text.utf8), sent: sent) }
        #expect(evaluate("on", 0) == nil)
        #expect(evaluate("two one", 0) == .next([]))
        #expect(evaluate("two one", 1) == nil)
        #expect(evaluate("one two", 1) == .next(Array("c".utf8)))
        #expect(evaluate("one two", 2) == nil)
        #expect(evaluate("one two one", 2) == .up())
        #expect(exchange.received(in: Array("one two tw".utf8)).elementsEqual(" tw".utf8))
        #expect(exchange.received(in: Array("on".utf8)).elementsEqual("on".utf8))
    }

    /// Each begins like a valid response, so that the parsers are exercised in depth.
    @Test("random responses do not trap", arguments: 0..<200 as Range<UInt64>)
    func randomBytes(seed: UInt64) {
        var numbers = SplitMix64(seed: seed)
        let exchanges: [any HealthCheckExchange] = [
            Self.postgres, RedisHealthCheckExchange(), RedisHealthCheckExchange(role: .master), Self.http, Self.mysql,
            ExpectedBytes(steps: [.init(send: [], expect: [0, 1, 0])]),
        ]
        let beginnings: [[UInt8]] = [
            [], Array("R\0\0".utf8), Array("E\0\0\0".utf8), Array("-".utf8), Array("HTTP/1.1 1".utf8),
            Array("+PONG\r\n*".utf8), [4, 0, 0, 0, 10],
        ]
        for exchange in exchanges {
            for beginning in beginnings {
                let count = Int.random(in: 0...60, using: &numbers)
                let answer = beginning + (0..<count).map { _ in UInt8.random(in: 0...255, using: &numbers) }
                _ = evaluatedByteByByte(answer, exchange)
                for sent in 1...3 { _ = exchange.evaluate(answer, sent: sent) }
            }
        }
    }

    @Test("a server's text is quoted as one line with escaped control characters")
    func quoting() {
        #expect(quoted(Array("one\r\n\u{1B}[2Jtwo\t\0 three".utf8)) == #"one\r\n\u{1B}[2Jtwo\t\0 three"#)
        #expect(quoted(Array("one\r\n".utf8)) == "one")
        #expect(quoted([UInt8](repeating: 0x61, count: 5_000)).count == 160)
        #expect(quoted([0xFF, 0xFE]) == "\u{FFFD}\u{FFFD}")
    }

    @Test(
        "an invalid health check is rejected",
        arguments: [
            (HealthCheckKind.sendExpect(send: [], expect: []), HealthCheckKind.ValidationError.nothingExpected),
            (.postgres(user: ""), .badUser("")), (.postgres(user: "a\0b"), .badUser("a\0b")),
            (.http(HTTPHealthCheck(path: "health")), .badPath("health")),
            (.http(HTTPHealthCheck(path: "/a b")), .badPath("/a b")),
            (.http(HTTPHealthCheck(host: "a\r\nX: y")), .badHost("a\r\nX: y")),
            (.http(HTTPHealthCheck(expected: 0...200)), .badStatus(0...200)),
            (.sendExpect([]), .badStepCount(0)), (.mysql(user: ""), .badUser("")),
            (.sendExpect([.init(send: [], expect: [1]), .init(send: [1], expect: [])]), .nothingExpected),
        ]
    )
    func invalidChecks(check: HealthCheckKind, error: HealthCheckKind.ValidationError) {
        #expect(throws: error) { try check.validate() }
    }

    @Test("an expectation longer than the response limit is rejected")
    func longExpectation() {
        let check = HealthCheckKind.sendExpect(
            send: [],
            expect: [UInt8](repeating: 0, count: HealthCheckKind.answerLimit + 1)
        )
        #expect(throws: HealthCheckKind.ValidationError.longExpectation(HealthCheckKind.answerLimit + 1)) {
            try check.validate()
        }
    }

    @Test(
        "a valid health check is accepted",
        arguments: [
            HealthCheckKind.tcp, .redis, .postgres(user: HealthCheckKind.defaultUser), .http(HTTPHealthCheck()),
            .sendExpect(send: [], expect: [1]),
        ]
    )
    func validChecks(check: HealthCheckKind) throws {
        try check.validate()
    }
}

/// Delivers the bytes one by one, like a slow network: there is no evaluation before the response is complete, and the
/// first evaluation does not change.
private func evaluatedByteByByte(_ answer: [UInt8], _ exchange: any HealthCheckExchange) -> Evaluation? {
    for count in 0...answer.count {
        if let evaluation = exchange.evaluate(Array(answer.prefix(count))) { return evaluation }
    }
    return nil
}

func postgresMessage(_ type: Character, _ body: [UInt8]) -> [UInt8] {
    let length = body.count + 4
    return [type.asciiValue ?? 0, 0, 0, UInt8(length >> 8), UInt8(length & 0xFF)] + body
}

func postgresError(_ code: String, _ text: String) -> [UInt8] {
    postgresMessage("E", Array("SFATAL\0VFATAL\0C\(code)\0M\(text)\0Fpostmaster.c\0\0".utf8))
}
