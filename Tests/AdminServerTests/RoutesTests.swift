import AdminServer
import Support
import Testing

@Suite("Admin routes", .ownThreads)
struct RoutesTests {
    /// Returns the body of a successful response of this type.
    private func body(
        of path: String,
        _ source: FakeSource,
        type: String,
        at location: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let response = try await withServer(source: source) { try httpGet(path, from: $0) }
        #expect(response.status == 200, sourceLocation: location)
        #expect(response.headers["content-type"] == type, sourceLocation: location)
        return response.body
    }

    @Test("metrics are text by default")
    func metricsText() async throws {
        let type = "text/plain; version=0.0.4; charset=utf-8"
        let text = try await body(of: "/metrics", FakeSource(snapshot: distinctSnapshot()), type: type)
        #expect(text.hasPrefix("# HELP connections_active "))
        #expect(MetricsText(text).value("connections_total") == 15)
        #expect(MetricsText(text).value("monkey_build_info", ["version": "1.2.3"]) == 1)
    }

    @Test("metrics are JSON on request")
    func metricsJSON() async throws {
        let source = FakeSource(snapshot: distinctSnapshot())
        let text = try await body(of: "/metrics?format=json", source, type: "application/json")
        #expect(text.hasPrefix(#"{"active_connections":3,"total_connections":15,"bytes_upstream":1572864,"#))
    }

    @Test("an unknown format is rejected")
    func unknownFormat() async throws {
        let response = try await withServer { try httpGet("/metrics?format=xml", from: $0) }
        #expect(response.status == 400)
        #expect(response.body == "invalid format: must be text or json\n")
    }

    @Test("clients are JSON")
    func clients() async throws {
        let text = try await body(of: "/clients", FakeSource(clients: manyClients(2)), type: "application/json")
        #expect(text.hasPrefix(#"{"clients":[{"address":"10.0.0.0","active_connections":0,"#))
        #expect(text.contains(#"{"address":"10.0.0.1","#))
    }

    @Test("readiness follows the source, liveness does not")
    func probes() async throws {
        let source = FakeSource()
        try await withServer(source: source) { address throws in
            #expect(try httpGet("/readyz", from: address).status == 200)
            source.isReady = false
            #expect(try httpGet("/readyz", from: address).status == 503)
            #expect(try httpGet("/healthz", from: address).status == 200)
        }
    }

    @Test(
        "HEAD is answered like GET, without the body",
        arguments: ["/metrics", "/metrics?format=json", "/clients", "/healthz", "/readyz"]
    )
    func head(path: String) async throws {
        try await withServer { address in
            let get = try httpGet(path, from: address)
            let head = try httpGet(path, from: address, method: "HEAD")
            #expect(head.status == get.status)
            #expect(head.body.isEmpty)
            #expect(head.headers["content-length"] == "\(get.body.utf8.count)")
            #expect(head.headers["content-type"] == get.headers["content-type"])
        }
    }

    @Test(
        "an unknown path is answered with 404",
        arguments: ["/", "/metric", "/metrics/x", "/healthz%20", "/%2e%2e/metrics", "*", "/?format=json"]
    )
    func unknownPath(path: String) async throws {
        try await withServer { address in
            let response = try httpGet(path, from: address)
            #expect(response.status == 404)
            #expect(response.body == "not found: the paths are /metrics, /clients, /pools, /healthz, /readyz\n")
            #expect(try httpGet(path, from: address, method: "HEAD").body.isEmpty)
        }
    }

    @Test(
        "other methods are answered with 405",
        arguments: ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"],
        ["/metrics", "/clients", "/healthz", "/readyz", "/metrics/"]
    )
    func otherMethods(method: String, path: String) async throws {
        let response = try await withServer { try httpGet(path, from: $0, method: method) }
        #expect(response.status == 405)
        #expect(response.headers["allow"] == "GET, HEAD")
    }

    @Test("responses have a date")
    func date() async throws {
        let date = try #require(try await withServer { try httpGet("/healthz", from: $0) }.headers["date"])
        #expect(date.count == 29 && date.hasSuffix(" GMT"), "\(date)")
    }

    @Test(
        "an absolute target is the same as its path",
        arguments: ["http://example.com/healthz", "HTTP://localhost:80/healthz", "http://[::1]/healthz/"]
    )
    func absoluteTarget(target: String) async throws {
        #expect(try await withServer { try httpGet(target, from: $0) }.status == 200)
    }

    @Test(
        "an ambiguous request is answered with 400",
        arguments: [
            "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET /healthz HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", "GET /healthz HTTP/1.1\r\n\r\n",
            "GET https://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /metrics?format=%j HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
            "GET /metrics?format=%ff HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
        ]
    )
    func ambiguous(request: String) async throws {
        let response = try await withServer { try answer(to: request, at: $0) }
        #expect(response.status == 400)
        #expect(response.headers["connection"] == "close")
        #expect(response.body.hasSuffix("\n"))
    }
}
