import AdminServer
import Support
import Testing

@Suite("Admin connections", .ownThreads)
struct ConnectionTests {
    @Test("a connection serves several requests")
    func keepAlive() async throws {
        try await withServer { address in
            let socket = try TestSocket.connect(to: address)
            for path in ["/healthz", "/nothing", "/metrics", "/readyz"] {
                try socket.send("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
                let response = try socket.receiveResponse()
                #expect(response.status == (path == "/nothing" ? 404 : 200))
                #expect(response.headers["connection"] == nil)
            }
        }
    }

    @Test("pipelined requests are answered in order")
    func pipelining() async throws {
        try await withServer { address in
            let socket = try TestSocket.connect(to: address)
            let paths = ["/healthz", "/readyz", "/nothing", "/healthz"]
            try socket.send(paths.map { "GET \($0) HTTP/1.1\r\nHost: test\r\n\r\n" }.joined())
            let bodies = try paths.map { _ in try socket.receiveResponse().body }
            #expect(bodies[0] == "ok\n" && bodies[1] == "ready\n" && bodies[3] == "ok\n")
            try socket.finish()
            #expect(try socket.receiveRest() == .init(bytes: [], end: .fin))
        }
    }

    @Test("a request is answered after the client's FIN")
    func halfClose() async throws {
        let response = try await withServer { try answer(to: "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n", at: $0) }
        #expect(response.status == 200)
        #expect(response.body == "ok\n")
    }

    @Test(
        "the server closes the connection if the client asks for it",
        arguments: [
            "GET /healthz HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: Close\r\n\r\n",
        ]
    )
    func connectionClose(request: String) async throws {
        try await withServer { address in
            try expectLastResponse(to: request, status: 200, at: address)
        }
    }

    @Test(
        "an invalid request is answered with 400",
        arguments: [
            "\u{0}", "hello\r\n\r\n", "GET\r\n\r\n", "GET /healthz\r\n\r\n", "GET /healthz HTTP/9.9\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", "GET /healthz HTTP/1.1\r\n\u{0}: x\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "BREW /healthz HTTP/1.1\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}",
        ]
    )
    func badRequest(request: String) async throws {
        try await withServer { address in
            let response = try answer(to: request, at: address)
            #expect(response.status == 400)
            #expect(response.headers["connection"] == "close")
            #expect(try httpGet("/healthz", from: address).status == 200)
        }
    }

    @Test("invalid bytes after a request do not affect its response")
    func trailingBytes() async throws {
        try await withServer { address in
            let socket = try TestSocket.connect(to: address)
            try socket.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n\u{0}\u{0}\u{0}")
            let text = try socket.receiveRest().text
            #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test("clients that reset do not affect others")
    func reset() async throws {
        try await withServer { address in
            for _ in 0..<50 {
                let socket = try TestSocket.connect(to: address)
                try socket.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n")
                try socket.reset()
            }
            #expect(try httpGet("/healthz", from: address).status == 200)
        }
    }

    @Test("IPv6 and Unix sockets are served")
    func addressFamilies() async throws {
        let status = try await withServer(at: "[::1]:0") { try httpGet("/healthz", from: $0).status }
        #expect(status == 200)
        try await withScratchFolder { folder in
            let status = try await withServer(at: "unix:\(folder)/admin") { try httpGet("/healthz", from: $0).status }
            #expect(status == 200)
        }
    }
}
