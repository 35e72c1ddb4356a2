import AdminServer
import Sockets
import Support
import TCPProxy
import Testing

@Suite("Admin API over HTTP", .ownThreads)
struct AdminAPITests {
    private static let token = "0123456789abcdef0123"

    @Test(
        "server commands address a server by pool and name",
        arguments: [
            ("/servers/drain?pool=db&server=10.0.0.1:5432", "draining 10.0.0.1:5432"),
            ("/servers/enable?server=%5B::1%5D%3A5432&pool=db", "enabled [::1]:5432"),
            ("/servers/disable?pool=db&server=unix:/run/db.sock", "disabled unix:/run/db.sock"),
            ("/servers/weight?pool=db&server=a&weight=0", "weight(0) a"),
            ("/servers/weight?pool=db&server=a&weight=configured", "weight(nil) a"),
            ("/servers/rebalance?pool=db&server=a&share=20%25", "rebalance(20) a"),
            ("/servers/rebalance?pool=db&server=a&share=100", "rebalance(100) a"),
        ]
    )
    func serverCommands(path: String, request: String) async throws {
        let control = FakeControl()
        let response = try await withServer(control: control) { try httpGet(path, from: $0, method: "POST") }
        #expect(response.status == 200)
        #expect(control.requests == [request])
    }

    @Test(
        "missing, duplicate and invalid parameters are rejected without effect",
        arguments: [
            ("/servers/drain?pool=db", 400, "server is missing"),
            ("/servers/drain?server=a&pool=", 400, "pool is missing"),
            ("/servers/drain?pool=db&server=a&weight=3", 400, "unknown parameter 'weight'"),
            ("/servers/drain?pool=db&server=a&server=b", 400, "twice"),
            ("/servers/weight?pool=db&server=a&weight=257", 400, "0 to 256"),
            ("/servers/weight?pool=db&server=a", 400, "weight is missing"),
            ("/servers/rebalance?pool=db&server=a", 400, "share is missing"),
            ("/servers/rebalance?pool=db&server=a&share=0", 400, "1 to 100"),
            ("/servers/rebalance?pool=db&server=a&share=101%25", 400, "1 to 100"),
            ("/servers/rebalance?pool=web&server=a&share=5", 404, "no pool 'web'"),
            ("/servers/drain?pool=web&server=a", 404, "no pool 'web'"), ("/connections/close", 400, "no filter"),
            ("/connections/close?client=example.com", 400, "address without a port"),
            ("/connections/close?id=-1", 400, "such as 0.17"),
        ]
    )
    func mistakes(path: String, status: Int, text: String) async throws {
        let control = FakeControl()
        let response = try await withServer(control: control) { try httpGet(path, from: $0, method: "POST") }
        #expect(response.status == status)
        #expect(response.body.contains(text), "\(response.body)")
        #expect(control.requests == [])
    }

    @Test("connections are listed and closed by filter")
    func connections() async throws {
        var snapshot = ConnectionsSnapshot()
        snapshot.total = 5
        let control = FakeControl(snapshot: snapshot)
        try await withServer(control: control) { address in
            let response = try httpGet("/connections?limit=2&listener=web&client=::1", from: address)
            #expect(response.body == "{\"total\":5,\"connections\":[]}\n")
            _ = try httpGet("/connections", from: address)
            #expect(try httpGet("/connections?limit=0", from: address).status == 400)
            let forced = try httpGet("/connections/close?pool=db&server=a&id=0.12", from: address, method: "POST")
            #expect(forced.body == "{\"closed\":7}\n")
            _ = try httpGet("/connections/close?client=192.0.2.1", from: address, method: "POST")
        }
        #expect(
            control.requests == [
                "list client=[::1]:0 listener=web 2", "list  100", "cut id=0.12 pool=db server=a",
                "cut client=192.0.2.1:0",
            ]
        )
    }

    @Test("a reload returns its changes or all errors; without a file, 404")
    func reload() async throws {
        let done = ReloadOutcome.applied(changes: ["listener a added"], connectionsAffected: 3)
        let answer = try await withServer(control: FakeControl(answer: done)) {
            try httpGet("/config/reload", from: $0, method: "POST")
        }
        #expect(answer.status == 200)
        #expect(answer.body == #"{"reloaded":true,"changes":["listener a added"],"connections_affected":3}"# + "\n")
        let refused = try await withServer(control: FakeControl(answer: .rejected(["one", "two"]))) {
            try httpGet("/config/reload", from: $0, method: "POST")
        }
        #expect(refused.status == 422)
        #expect(refused.body == #"{"reloaded":false,"errors":["one","two"]}"# + "\n")
        let none = try await withServer(control: FakeControl()) {
            try httpGet("/config/reload", from: $0, method: "POST")
        }
        #expect(none.status == 404)
    }

    @Test("reload metrics exist only if a reload is possible")
    func reloadMetrics() async throws {
        let page = try await withServer(control: FakeControl(answer: .rejected([]))) {
            try httpGet("/metrics", from: $0)
        }
        let metrics = MetricsText(page.body)
        #expect(metrics.value("monkey_config_reloads_total", ["result": "success"]) == 3)
        #expect(metrics.value("monkey_config_reloads_total", ["result": "failure"]) == 2)
        #expect(metrics.value("monkey_config_last_reload_successful") == 0)
        #expect(metrics.value("monkey_config_last_reload_success_timestamp_seconds") == 1_700_000_000)
        let other = try await withServer(control: FakeControl()) { try httpGet("/metrics", from: $0) }
        #expect(!other.body.contains("monkey_config"))
    }

    @Test(
        "a path that changes state accepts only POST without a body",
        arguments: ["/config/reload", "/connections/close"]
    )
    func methods(path: String) async throws {
        let control = FakeControl(answer: .rejected([]))
        try await withServer(control: control) { address in
            for method in ["GET", "HEAD", "PUT", "DELETE"] {
                let response = try httpGet(path, from: address, method: method)
                #expect(response.status == 405)
                #expect(response.headers["allow"] == "POST")
            }
            let response = try httpGet(path, from: address, method: "POST", fields: ["Content-Length: 1000"])
            #expect(response.status == 413)
            #expect(try httpGet("/connections", from: address, method: "POST").status == 405)
        }
        #expect(control.requests == [])
    }

    @Test("without the admin API, its paths return 404")
    func withoutControl() async throws {
        try await withServer { address throws in
            for path in ["/config/reload", "/connections/close", "/servers/drain"] {
                #expect(try httpGet(path, from: address, method: "POST").status == 404)
            }
            #expect(try httpGet("/connections", from: address).status == 404)
        }
    }

    @Test("all paths except health checks require the token")
    func asksForToken() async throws {
        let control = FakeControl(answer: .rejected([]))
        try await withServer(at: "0.0.0.0:0", control: control, token: " \(Self.token)\n") { bound in
            let address: TestAddress = try #require(TestAddress("\(bound)".replacing("0.0.0.0", with: "127.0.0.1")))
            func status(_ path: String, _ method: String, _ authorization: String?) throws -> Int {
                let fields = authorization.map { ["Authorization: \($0)"] } ?? []
                return try httpGet(path, from: address, method: method, fields: fields).status
            }
            let wrong = [
                nil, "Bearer", "Bearer ", "Bearer x", "Basic \(Self.token)", "Bearer \(Self.token)x",
                "Bearer \(Self.token.dropLast())", "Bearer \(Self.token.uppercased())", Self.token,
            ]
            for authorization in wrong {
                for path in ["/metrics", "/pools", "/connections", "/nothing"] {
                    #expect(try status(path, "GET", authorization) == 401)
                }
                #expect(try status("/config/reload", "POST", authorization) == 401)
                #expect(try status("/healthz", "GET", authorization) == 200)
                #expect(try status("/readyz", "GET", authorization) == 200)
            }
            #expect(control.requests == [])
            for authorization in ["Bearer \(Self.token)", "bearer  \(Self.token)"] {
                #expect(try status("/metrics", "GET", authorization) == 200)
                #expect(try status("/config/reload", "POST", authorization) == 422)
            }
            let response = try httpGet("/metrics", from: address)
            #expect(response.headers["www-authenticate"] == "Bearer realm=\"monkey\"")
        }
    }

    @Test(
        "an empty, short or non-printable token is rejected",
        arguments: ["", " \n", "short", "with space in the middle", "ümlautümlautüml"]
    )
    func tokens(text: String) {
        #expect(throws: AdminError.badToken) { _ = try AdminToken(text) }
    }

    @Test("without a token, the admin API listens only on loopback")
    func loopback() async throws {
        for address in ["0.0.0.0:0", "[::]:0", ":0"] {
            await #expect(throws: AdminError.self) { _ = try await bindServer(at: address, control: FakeControl()) }
            _ = try await bindServer(at: address, control: FakeControl(), token: Self.token)
            _ = try await bindServer(at: address)
        }
        for address in ["127.0.0.1:0", "127.1.2.3:0", "[::1]:0", "localhost:0"] {
            _ = try await bindServer(at: address, control: FakeControl())
        }
        try await withScratchFolder { folder in
            _ = try await bindServer(at: "unix:\(folder)/admin", control: FakeControl())
        }
    }

    @Test(
        "a state-changing request with a foreign Host or Origin is rejected",
        arguments: [
            ("127.0.0.1:8998", nil, 422), ("localhost", nil, 422), ("LocalHost:80", nil, 422), ("[::1]:8998", nil, 422),
            ("192.0.2.1", nil, 422), ("localhost:1", "http://localhost:1", 422), ("127.0.0.1", "http://127.0.0.1", 422),
            ("attacker.example", nil, 403), ("localhost.attacker.example:80", nil, 403),
            ("127.0.0.1.attacker.example", nil, 403),
            ("", nil, 403), ("127.0.0.1:x", nil, 403), ("[::1", nil, 403), ("0x7f.1", nil, 403),
            ("localhost@evil", nil, 403),
            ("localhost", "null", 403), ("localhost", "http://attacker.example", 403),
            ("localhost", "https://localhost", 403),
            ("localhost:1", "http://localhost:2", 403), ("127.0.0.1", "http://localhost", 403),
        ] as [(String, String?, Int)]
    )
    func origin(host: String, origin: String?, status: Int) async throws {
        let control = FakeControl(answer: .rejected([]))
        try await withServer(control: control) { address in
            let fields = origin.map { ["Origin: \($0)"] } ?? []
            let response = try httpGet("/config/reload", from: address, method: "POST", host: host, fields: fields)
            #expect(response.status == status)
            // Read-only requests are not checked.
            #expect(try httpGet("/healthz", from: address, host: host, fields: fields).status == 200)
        }
        #expect(control.requests == (status == 422 ? ["reload"] : []))
    }

    @Test(
        "a request that the browser marks as cross-site is rejected",
        arguments: ["cross-site", "same-site"]
    )
    func site(value: String) async throws {
        let control = FakeControl(answer: .rejected([]))
        let response = try await withServer(control: control) {
            try httpGet("/config/reload", from: $0, method: "POST", fields: ["Sec-Fetch-Site: \(value)"])
        }
        #expect(response.status == 403)
        #expect(control.requests == [])
    }

    @Test(
        "the authority of an absolute target decides over the Host field",
        arguments: [("localhost", "attacker.example", 422), ("attacker.example", "localhost", 403)]
    )
    func authority(authority: String, host: String, status: Int) async throws {
        let control = FakeControl(answer: .rejected([]))
        let target = "http://\(authority)/config/reload"
        let response = try await withServer(control: control) {
            try httpGet(target, from: $0, method: "POST", host: host)
        }
        #expect(response.status == status)
        #expect(control.requests == (status == 422 ? ["reload"] : []))
    }
}
