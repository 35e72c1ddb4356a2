import Support
import TCPProxy
import Testing

@testable import AdminServer

private let get = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"

/// A timeout that is expected to fire; nothing here measures time.
private let short: Duration = .milliseconds(200)
/// A timeout that a response stays well within, even on a busy machine, and that is expected to fire after it.
private let ample: Duration = .seconds(3)

@Suite("Time limits of admin connections", .ownThreads)
struct TimeLimitTests {
    private let hasty = limits { $0.request = ample }

    @Test("a client that sends nothing is disconnected")
    func silentClient() async throws {
        try await withServer(limits: limits { $0.request = short }) { address in
            let rest = try TestSocket.connect(to: address).receiveRest()
            #expect(rest.bytes.isEmpty)
        }
    }

    @Test("a client that sends a request head slowly is disconnected")
    func slowHead() async throws {
        try await withServer(limits: hasty) { address in
            let socket = try TestSocket.connect(to: address)
            try socket.send("GET /healthz HTTP/1.1\r\nX-Slow: ")
            try await dripUntilClosed(socket)
            #expect(try httpGet("/healthz", from: address).status == 200)
        }
    }

    @Test("a second request has the same time limit")
    func secondRequest() async throws {
        try await withServer(limits: hasty) { address in
            let socket = try TestSocket.connect(to: address)
            try socket.send(get)
            #expect(try socket.receiveResponse().status == 200)
            try socket.send("GET /healthz HTTP/1.1\r\nX-Slow: ")
            try await dripUntilClosed(socket)
        }
    }

    @Test(
        "a request with a slow body is answered, and the client disconnected",
        arguments: ["Content-Length: 1000000", "Transfer-Encoding: chunked"]
    )
    func slowBody(framing: String) async throws {
        try await withServer(limits: hasty) { address in
            let socket = try TestSocket.connect(to: address)
            try socket.send("POST /metrics HTTP/1.1\r\nHost: test\r\n\(framing)\r\n\r\nffff\r\n")
            let response = try socket.receiveResponse()
            #expect(response.status == 405)
            #expect(response.headers["connection"] == "close")
            #expect(try socket.receive(upTo: 1).isEmpty, "no FIN after the last response")
            try await dripUntilReset(socket)
        }
    }

    @Test("a client that does not read is disconnected")
    func stalledReader() async throws {
        let limits = limits {
            $0.request = ample
            $0.connections = 1
        }
        try await withServer(limits: limits) { address in
            let stalled = try TestSocket.connect(to: address, receiveBuffer: 4096)
            try stalled.askForMoreThanIsQueued()
            // The limit is one connection: the stalled one is closed for the next client.
            #expect(try httpGet("/healthz", from: address).status == 200)
        }
    }

    @Test("an idle connection is closed")
    func idle() async throws {
        try await withServer(limits: limits { $0.idle = short }) { address in
            let socket = try TestSocket.connect(to: address)
            try socket.send(get)
            #expect(try socket.receiveResponse().status == 200)
            #expect(try socket.receiveRest() == .init(bytes: [], end: .fin))
        }
    }
}

@Suite("Size limits of admin connections", .ownThreads)
struct SizeLimitTests {
    @Test("headers above a limit are rejected")
    func headerLimits() async throws {
        let limits = limits {
            $0.headerBytes = 1024
            $0.headerFields = 10
        }
        try await withServer(limits: limits) { address in
            let field = "X-Long: \(String(repeating: "x", count: 2000))\r\n"
            let fields = (0..<20).map { "X-\($0): y\r\n" }.joined()
            let target = "/\(String(repeating: "x", count: 2000))"
            for request in [
                "GET /healthz HTTP/1.1\r\n\(field)\r\n", "GET /healthz HTTP/1.1\r\n\(fields)\r\n",
                "GET \(target) HTTP/1.1\r\n\r\n", "GET \(target)",
            ] {
                let response = try answer(to: request, at: address)
                #expect(response.status == 431)
                #expect(response.headers["connection"] == "close")
            }
            #expect(try httpGet("/healthz", from: address).status == 200)
        }
    }

    @Test(
        "a request without an end is cut off",
        arguments: [
            "POST /metrics HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\n",
            "POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", "\u{0}", "\r\n",
        ]
    )
    func endlessRequest(beginning: String) async throws {
        let limits = limits {
            $0.request = .seconds(3600)
            $0.requestBytes = 64 << 10
        }
        try await withServer(limits: limits) { address in
            let socket = try TestSocket.connect(to: address)
            try socket.send(beginning)
            #expect(throws: SystemFailure.self) {
                // Far more than the limit plus all that kernel buffers may hold.
                for _ in 0..<1024 { try socket.send(String(repeating: "\r\n", count: 32 << 10)) }
            }
            #expect(try httpGet("/healthz", from: address).status == 200)
        }
    }

    @Test("a request body is rejected", arguments: ["GET", "HEAD"])
    func body(method: String) async throws {
        let response = try await withServer { address in
            try answer(to: "\(method) /metrics HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody", at: address)
        }
        #expect(response.status == 413)
        #expect(response.headers["connection"] == "close")
    }

    @Test(
        "a limit outside its range is an error",
        arguments: [
            ("connection limit", limits { $0.connections = 0 }),
            ("connection limit", limits { $0.connections = 10_001 }),
            ("header size limit", limits { $0.headerBytes = 255 }),
            ("request size limit", limits { $0.requestBytes = 4095 }),
            ("header field limit", limits { $0.headerFields = 0 }),
            ("request timeout", limits { $0.request = .zero }),
            ("operation timeout", limits { $0.operation = .zero }),
            ("idle timeout", limits { $0.idle = .seconds(86_401) }),
            ("stop timeout", limits { $0.stop = .seconds(-1) }),
        ]
    )
    func ranges(name: String, limits: AdminServer.Limits) throws {
        let error = try #require(throws: AdminError.self) { try limits.check() }
        #expect(error.description.hasPrefix("admin endpoint: invalid \(name) '"))
    }

    @Test("the default limits are valid")
    func defaults() throws {
        try AdminServer.Limits().check()
    }
}

// MARK: - Helpers

func limits(_ change: (inout AdminServer.Limits) -> Void) -> AdminServer.Limits {
    var limits = AdminServer.Limits()
    change(&limits)
    return limits
}

extension TestSocket {
    /// Requests about 8 MB of responses, far more than the kernel buffers for a client that does not read.
    func askForMoreThanIsQueued() throws {
        try send(String(repeating: "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n", count: 1500))
    }

    /// Receives one response and leaves the connection open.
    func receiveResponse(at location: SourceLocation = #_sourceLocation) throws -> HTTPResponse {
        var text = ""
        while !text.hasSuffix("\r\n\r\n") { text += String(decoding: try receive(exactly: 1), as: UTF8.self) }
        let head = try HTTPResponse(parsing: text, at: location)
        let length = head.headers["content-length"].flatMap { Int($0) } ?? 0
        return try HTTPResponse(parsing: text + String(decoding: receive(exactly: length), as: UTF8.self), at: location)
    }
}

/// Sends a raw request, ends the stream with a FIN, and receives the response.
func answer(to request: String, at address: TestAddress) throws -> HTTPResponse {
    let socket = try TestSocket.connect(to: address)
    try socket.send(request)
    try socket.finish()
    return try HTTPResponse(parsing: socket.receiveRest().text)
}

/// Sends a request, and expects a response that announces the close of the connection, and the close.
func expectLastResponse(to request: String, status: Int, at address: TestAddress) throws {
    let socket = try TestSocket.connect(to: address)
    try socket.send(request)
    let rest = try socket.receiveRest()
    #expect(rest.end == .fin)
    let response = try HTTPResponse(parsing: rest.text)
    #expect(response.status == status)
    #expect(response.headers["connection"] == "close")
}

/// Sends a byte every few milliseconds until the peer closes the connection without a response.
private func dripUntilClosed(_ socket: TestSocket) async throws {
    try await eventually("end of the connection") {
        do {
            if let received = try socket.receiveWithoutWaiting() {
                #expect(received.isEmpty)
                return true
            }
            try socket.send("x")
            return false
        } catch is SystemFailure {
            return true
        }
    }
}

/// Sends a byte every few milliseconds until the peer accepts no more.
private func dripUntilReset(_ socket: TestSocket) async throws {
    try await eventually("end of the connection") {
        do {
            try socket.send("x")
            return false
        } catch is SystemFailure {
            return true
        }
    }
}
