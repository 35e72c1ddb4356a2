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
        let failure = HealthCheckFailure.http(status: 503, expected: 200...299)
        #expect(evaluatedByteByByte(Array("HTTP/1.1 503 Busy\r\n".utf8), Self.http) == .down(failure))
        #expect(failure.description == "HTTP 503, not 200 to 299")
        #expect(HealthCheckFailure.http(status: 500, expected: 200...200).description == "HTTP 500, not 200")
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
        let exchange = ExpectedBytes(request: [], expected: Array("220 ".utf8))
        #expect(evaluatedByteByByte(Array("..220".utf8), exchange) == nil)
        #expect(evaluatedByteByByte(Array("..220 mail".utf8), exchange) == .up())
    }

    /// Each begins like a valid response, so that the parsers are exercised in depth.
    @Test("random responses do not trap", arguments: 0..<200 as Range<UInt64>)
    func randomBytes(seed: UInt64) {
        var numbers = SplitMix64(seed: seed)
        let exchanges: [any HealthCheckExchange] = [
            Self.postgres, RedisHealthCheckExchange(), Self.http, ExpectedBytes(request: [], expected: [0, 1, 0]),
        ]
        let beginnings: [[UInt8]] = [
            [], Array("R\0\0".utf8), Array("E\0\0\0".utf8), Array("-".utf8), Array("HTTP/1.1 1".utf8),
        ]
        for exchange in exchanges {
            for beginning in beginnings {
                let count = Int.random(in: 0...60, using: &numbers)
                let answer = beginning + (0..<count).map { _ in UInt8.random(in: 0...255, using: &numbers) }
                _ = evaluatedByteByByte(answer, exchange)
            }
        }
    }

    @Test("a server's text is quoted as one line without control characters")
    func quoting() {
        #expect(quoted(Array("one\r\n\u{1B}[2Jtwo\t\0 three".utf8)) == "one [2Jtwo three")
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
