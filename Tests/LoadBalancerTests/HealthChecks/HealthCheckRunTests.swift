import Glibc
import LoadBalancer
import Sockets
import Support
import Testing

/// Checks over real sockets, of servers scripted by the test.
@Suite("Health check runs", .ownThreads)
struct HealthCheckRunTests {
    @Test("a listening server is up")
    func tcp() async throws {
        let listener = try TestListener()
        let duration = try await HealthCheckRun.run(.tcp, at: address(of: listener), timeout: patience).get()
        #expect(duration > .zero)
    }

    @Test("a server on IPv6 is up")
    func ipv6() async throws {
        let listener = try TestListener(on: .loopback6)
        _ = try await HealthCheckRun.run(.tcp, at: address(of: listener), timeout: patience).get()
    }

    @Test("a server on a Unix socket is up")
    func unixSocket() async throws {
        try await withScratchFolder { folder in
            let listener = try TestListener(on: .unix(path: "\(folder)/socket"))
            let missing = SocketAddress.unix(path: "\(folder)/other")
            _ = try await HealthCheckRun.run(.tcp, at: .unix(path: "\(folder)/socket"), timeout: patience).get()
            #expect(
                await HealthCheckRun.run(.tcp, at: missing, timeout: patience) == .failure(.notConnected(.noSuchFile))
            )
            listener.close()
        }
    }

    @Test("a server that does not listen refuses the connection")
    func refused() async throws {
        let listener = try TestListener()
        let address = address(of: listener)
        listener.close()
        for check in [HealthCheckKind.tcp, .redis] {
            let result = await HealthCheckRun.run(check, at: address, timeout: patience)
            #expect(result == .failure(.notConnected(.connectionRefused)))
        }
        #expect(HealthCheckFailure.notConnected(.connectionRefused).description == "connection refused")
    }

    /// The listener's accept queue is full, so the handshake of another client is never answered.
    @Test("a handshake without an answer times out")
    func handshakeTimeout() async throws {
        let listener = try TestListener(backlog: 0)
        let waiting = try listener.fill()
        let limit = Duration.milliseconds(100)
        let result = await HealthCheckRun.run(.tcp, at: address(of: listener), timeout: limit)
        #expect(result == .failure(.timedOut(.connecting, after: limit)))
        #expect(HealthCheckFailure.timedOut(.connecting, after: limit).description == "no connection within 100 ms")
        for client in waiting { client.close() }
    }

    @Test("a server that sends nothing times out")
    func silentServer() async throws {
        let listener = try TestListener()
        // Also covers the connect, whose completion may be reported late on a busy machine.
        let limit = Duration.seconds(2)
        let result = await HealthCheckRun.run(.redis, at: address(of: listener), timeout: limit)
        #expect(result == .failure(.timedOut(.waitingForAnswer, after: limit)))
    }

    @Test("a server that closes without a response is down")
    func closed() async throws {
        let result = try await checkResult(.redis) { _ = try $0.receive(upTo: 100) }
        #expect(result == .failure(.closed(got: "")))
    }

    @Test("a server that closes within its response is down")
    func closedEarly() async throws {
        let result = try await checkResult(.redis) {
            _ = try $0.receive(upTo: 100)
            try $0.send("+PO")
        }
        #expect(result == .failure(.closed(got: "+PO")))
    }

    @Test("a server that resets is down")
    func reset() async throws {
        let result = try await checkResult(.redis) {
            _ = try $0.receive(upTo: 100)
            try $0.reset()
        }
        #expect(result == .failure(.broken(.connectionReset)))
    }

    @Test("an endless response is read up to the limit")
    func longResponse() async throws {
        let check = HealthCheckKind.sendExpect(send: Array("hello\n".utf8), expect: Array("ready".utf8))
        let result = try await checkResult(check) {
            try $0.receive("hello\n")
            // More than is read, and the check may close the connection before all of it is sent.
            try? $0.send([UInt8](repeating: 0x2E, count: 4 << 20))
        }
        #expect(
            result
                == .failure(
                    .longAnswer(limit: HealthCheckKind.answerLimit, got: String(repeating: ".", count: 80) + "…")
                )
        )
    }

    @Test("the expected response to the sent bytes counts as up")
    func sendExpect() async throws {
        let check = HealthCheckKind.sendExpect(send: Array("hello\n".utf8), expect: Array("ready".utf8))
        try await expectPass(check) {
            try $0.receive("hello\n")
            try $0.send("* rea")
            try $0.send("dy *")
        }
    }

    @Test("a server may send first")
    func serverFirst() async throws {
        try await expectPass(.sendExpect(send: [], expect: Array("220 ".utf8))) {
            try $0.send("220 mail\r\n")
        }
    }

    @Test("the requests of several steps are sent one after the other")
    func steps() async throws {
        let check = HealthCheckKind.sendExpect([
            .init(send: [], expect: Array("220 ".utf8)),
            .init(send: Array("EHLO monkey\r\n".utf8), expect: Array("250 ".utf8)),
            .init(send: Array("QUIT\r\n".utf8), expect: Array("221 ".utf8)),
        ])
        try await expectPass(check) {
            try $0.send("220 mail\r\n")
            try $0.receive("EHLO monkey\r\n")
            try $0.send("250 mail\r\n")
            try $0.receive("QUIT\r\n")
            try $0.send("221 bye\r\n")
        }
    }

    /// The server keeps the connection open, so the check ends with its timeout.
    @Test("a response without the expected bytes is reported as such, escaped and shortened")
    func mismatch() async throws {
        let listener = try TestListener()
        let check = HealthCheckKind.sendExpect(send: [], expect: Array("220 ".utf8))
        let limit = Duration.seconds(2)
        async let result = HealthCheckRun.run(check, at: address(of: listener), timeout: limit)
        let socket = try listener.accept()
        try socket.send("554 no\r\n\u{1B}[2J" + String(repeating: "x", count: 100))
        guard case .failure(let failure) = await result else {
            Issue.record("the check passed")
            return
        }
        let got = "554 no\\r\\n\\u001B[2J"
        #expect("\(failure)".hasPrefix("the expected text was not received within 2 s: received '554 no"), "\(failure)")
        #expect("\(failure)".hasSuffix("x…'") && !"\(failure)".contains("\u{1B}"), "\(failure), like \(got)")
        socket.close()
    }

    @Test("a preamble is sent before the check")
    func preamble() async throws {
        let listener = try TestListener()
        async let result = HealthCheckRun.run(
            .redis,
            at: address(of: listener),
            timeout: patience,
            preamble: Array("PROXY UNKNOWN\r\n".utf8)
        )
        let socket = try listener.accept()
        try socket.receive("PROXY UNKNOWN\r\n*1\r\n$4\r\nPING\r\n")
        try socket.send("+PONG\r\n")
        _ = try await result.get()
    }

    @Test("a Redis that loads its data is down")
    func redisLoading() async throws {
        let message = "LOADING Redis is loading the dataset in memory"
        let result = try await checkResult(.redis) {
            try $0.receive("*1\r\n$4\r\nPING\r\n")
            try $0.send("-\(message)\r\n")
        }
        #expect(result == .failure(.redis(message: message)))
    }

    @Test("a PostgreSQL that starts is down")
    func postgresStarting() async throws {
        let result = try await checkResult(.postgres(user: "monkey")) {
            _ = try $0.receive(upTo: 200)
            try $0.send(postgresError("57P03", "the database system is starting up"))
        }
        #expect(result == .failure(.postgres(code: "57P03", message: "the database system is starting up")))
    }

    @Test("a PostgreSQL session is terminated, and the server closes first")
    func postgresTerminate() async throws {
        try await expectPass(.postgres(user: "monkey")) {
            _ = try $0.receive(upTo: 200)
            // Data after the first message is read too: unread data would cause a reset.
            try $0.send(postgresMessage("R", [0, 0, 0, 0]) + postgresMessage("Z", [UInt8(ascii: "I")]))
            let rest = try $0.receiveRest()
            try #require(rest == .init(bytes: [UInt8(ascii: "X"), 0, 0, 0, 4], end: .fin))
        }
    }

    @Test("the check closes if the server does not")
    func serverStaysOpen() async throws {
        let listener = try TestListener()
        async let result = HealthCheckRun.run(.http(HTTPHealthCheck()), at: address(of: listener), timeout: patience)
        let socket = try listener.accept()
        _ = try socket.receive(upTo: 4_096)
        try socket.send("HTTP/1.1 200 OK\r\n\r\n")
        _ = try await result.get()
        #expect(try socket.receiveRest().end == .fin)
    }

    @Test("an HTTP error is down")
    func httpError() async throws {
        let result = try await checkResult(.http(HTTPHealthCheck(path: "/health"))) {
            _ = try $0.receive(upTo: 4_096)
            try $0.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        }
        #expect(result == .failure(.http(status: 503, expected: [200...399])))
    }

    @Test("a cancelled check ends immediately")
    func cancellation() async throws {
        let silent = try TestListener()
        let full = try TestListener(backlog: 0)
        let waiting = try full.fill()
        for listener in [silent, full] {
            let target = address(of: listener)
            let check = Task { await HealthCheckRun.run(.redis, at: target, timeout: .seconds(3_600)) }
            // Cancelled while it connects or waits, and possibly before.
            check.cancel()
            #expect(await check.value == .failure(.cancelled))
        }
        // A separate listener: the checks above may have left a closed connection in the accept queue of theirs.
        let listener = try TestListener()
        let target = address(of: listener)
        let check = Task { await HealthCheckRun.run(.redis, at: target, timeout: .seconds(3_600)) }
        let socket = try listener.accept()
        try socket.receive("*1\r\n$4\r\nPING\r\n")
        check.cancel()
        #expect(await check.value == .failure(.cancelled))
        for client in waiting { client.close() }
    }
}

/// Expects that a check passes; see ``checkResult(_:_:)``.
private func expectPass(
    _ check: HealthCheckKind,
    _ play: @escaping @Sendable (TestSocket) throws -> Void
) async throws {
    _ = try await checkResult(check, play).get()
}

/// Returns the result of a check of a server that accepts one connection, runs its script and closes.
private func checkResult(
    _ check: HealthCheckKind,
    _ play: @escaping @Sendable (TestSocket) throws -> Void
) async throws -> Result<Duration, HealthCheckFailure> {
    let listener = try TestListener()
    async let result = HealthCheckRun.run(check, at: address(of: listener), timeout: patience)
    let socket = try listener.accept()
    try play(socket)
    socket.close()
    return await result
}

func address(of listener: TestListener) -> SocketAddress {
    address(listener.address)
}

func address(_ address: TestAddress) -> SocketAddress {
    switch address {
    case .unix(let path): .unix(path: path)
    case .ip(let host, let port): .internet(InternetAddress(host: host, port: port) ?? InternetAddress(v4: 0, port: 0))
    }
}
