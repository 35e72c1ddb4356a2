import Foundation
import Sockets
import Support
import Synchronization
import Testing

@testable import LoadBalancer

/// Names served by a real dnsmasq on loopback.
@Suite("DNS client with dnsmasq", .ownThreads, .needs(RealServer.path(of: "dnsmasq"), package: "dnsmasq-base"))
struct DNSRealServerTests {
    @Test("addresses, services and aliases are resolved")
    func records() async throws {
        let port = try RealServer.freePort()
        let zone = [
            "--host-record=one.example,127.0.0.1,::1,60", "--host-record=two.example,127.0.0.2,30",
            "--cname=alias.example,two.example", "--srv-host=_pg._tcp.db.example,one.example,5432,10,50",
            "--srv-host=_pg._tcp.db.example,two.example,5433,20,5",
        ]
        try await withNameServer(on: port, zone) { _ in
            var lookup = HostResolution(DNSResolver(servers: [RealServer.address(port)]))
            let one = await lookup.servers(of: .host("one.example", port: 80))
            #expect(one.servers.map(\.address.description) == ["[::1]:80", "127.0.0.1:80"])
            #expect(one.timeToLive == .seconds(60) && one.failure == nil)
            let alias = await lookup.servers(of: .host("Alias.Example", port: 80))
            #expect(alias.servers.map(\.address.description) == ["127.0.0.2:80"])
            let service = await lookup.servers(of: try ServerAddress(parsing: "srv:_pg._tcp.db.example"))
            #expect(service.servers.map(\.address.description) == ["[::1]:5432", "127.0.0.1:5432", "127.0.0.2:5433"])
            #expect(service.servers.map(\.weight) == [50, 50, 5])
            #expect(service.servers.map(\.priority) == [10, 10, 20])
            let missing = await lookup.servers(of: .host("missing.example", port: 80))
            #expect(missing == .init(servers: [], failure: .noSuchName()))
        }
    }

    /// A hundred addresses do not fit the 512 bytes of a datagram.
    @Test("a truncated response is queried again over TCP")
    func truncation() async throws {
        let port = try RealServer.freePort()
        try await withScratchFolder { folder in
            let hosts = "\(folder)/hosts"
            let lines = (1...100).map { "127.0.1.\($0) many.example" }
            try lines.joined(separator: "\n").write(toFile: hosts, atomically: false, encoding: .utf8)
            try await withNameServer(on: port, ["--addn-hosts=\(hosts)"]) { _ in
                var lookup = HostResolution(DNSResolver(servers: [RealServer.address(port)]))
                let many = await lookup.servers(of: .host("many.example", port: 80))
                #expect(many.failure == nil)
                #expect(many.servers.count == 100)
            }
        }
    }

    /// Hosts and services are added and removed between lookups; if the name server itself fails, nothing is removed.
    @Test("changed records are found by the next lookup")
    func changes() async throws {
        let port = try RealServer.freePort()
        try await withScratchFolder { folder in
            let hosts = "\(folder)/hosts"
            func write(_ lines: String...) throws {
                try lines.joined(separator: "\n").write(toFile: hosts, atomically: true, encoding: .utf8)
            }
            func service(_ entries: String...) -> [String] {
                ["--addn-hosts=\(hosts)", "--local-ttl=1"] + entries.map { "--srv-host=_pg._tcp.db.example,\($0)" }
            }
            try write("127.0.0.1 one.example", "::1 one.example", "127.0.0.2 two.example")
            let address = try ServerAddress(parsing: "srv:_pg._tcp.db.example")
            var lookup = HostResolution(DNSResolver(servers: [RealServer.address(port)]))
            var last = HostResolution.Outcome(servers: [])
            func settles(on expected: String..., isWhole: Bool) async throws {
                try await eventually("\(expected), \(isWhole ? "with" : "without") an answer to each question") {
                    last = await lookup.servers(of: address)
                    return last.servers.map(\.address.description) == expected && (last.failure == nil) == isWhole
                }
            }
            try await withNameServer(on: port, service("one.example,5432,10,50")) { server in
                try await settles(on: "[::1]:5432", "127.0.0.1:5432", isWhole: true)
                // A host's addresses change.
                try write("127.0.0.3 one.example", "127.0.0.2 two.example")
                try server.signal(SIGHUP)
                try await settles(on: "127.0.0.3:5432", isWhole: true)
                // The host is removed and its service remains: an error, which removes no server.
                try write("127.0.0.2 two.example")
                try server.signal(SIGHUP)
                try await settles(on: "127.0.0.3:5432", isWhole: false)
                #expect(last.failure == .noSuchName())
                try write("127.0.0.3 one.example", "127.0.0.2 two.example")
                try server.signal(SIGHUP)
                try await settles(on: "127.0.0.3:5432", isWhole: true)
            }
            // The name server itself is down.
            try await settles(on: "127.0.0.3:5432", isWhole: false)
            let entries = service("one.example,5432,10,40", "two.example,6432,5,1")
            try await withNameServer(on: port, entries) { _ in
                try await settles(on: "127.0.0.2:6432", "127.0.0.3:5432", isWhole: true)
                #expect(last.servers.map(\.weight) == [1, 40])
                #expect(last.servers.map(\.priority) == [5, 10])
            }
        }
    }

    @Test("a forwarding loop through a name is found when names are resolved")
    func loops() async throws {
        let port = try RealServer.freePort()
        let zone = [
            "--host-record=self.example,127.0.0.1", "--host-record=other.example,127.0.0.2",
            "--srv-host=_db._tcp.example,self.example,81",
        ]
        try await withNameServer(on: port, zone) { _ in
            let text = """
                resolver: 127.0.0.1:\(port)
                listeners:
                  a: {listen: ":80", pool: a}
                  b: {listen: "127.0.0.1:81", pool: good, sni: {x.example: b}}
                  c: {listen: "LOCALHOST:82", pool: c}
                pools:
                  a: {servers: ["self.example:80"]}
                  b: {servers: ["srv:_db._tcp.example"]}
                  c: {servers: ["other.example:82", "self.example:82"]}
                  good: {servers: ["other.example:81"]}
                """
            let file = try ConfigurationFile(parsing: Array(text.utf8))
            let (count, failures) = await file.resolveNames()
            #expect(count == 6)
            func message(_ location: String, _ listener: String, _ server: String, _ pool: String) -> String {
                "\(location): error: listeners.\(listener).pool: server \(server) of pool \(pool) is this listener, "
                    + "so it would connect to itself: change one of the addresses"
            }
            #expect(
                failures.map(\.description) == [
                    message("3:28", "a", "self.example:80", "a"),
                    message("4:37", "b", "srv:_db._tcp.example (127.0.0.1:81)", "b"),
                    message("5:37", "c", "self.example:82", "c"),
                ]
            )
        }
    }

    /// The first name server does not respond, the second does.
    @Test("if a name server does not respond, the next one is queried")
    func silentNameServer() async throws {
        let port = try RealServer.freePort()
        let unused = try RealServer.freePort()
        try await withNameServer(on: port, ["--host-record=one.example,127.0.0.1"]) { _ in
            let client = DNSClient(servers: [RealServer.address(unused), RealServer.address(port)])
            let question = DNSWireQuery(name: try #require(DNSName("one.example")), type: .ipv4)
            try await eventually("the second one's answer") {
                let answer = try? await client.ask(question)
                return answer?.contents == [.address(InternetAddress(v4: 0x7F00_0001, port: 0))]
            }
        }
    }
}

/// Runs a dnsmasq with these options for the duration of the closure.
func withNameServer(
    on port: UInt16,
    _ options: [String],
    _ body: (RunningProgram) async throws -> Void
) async throws {
    let usual = [
        "--keep-in-foreground", "--port=\(port)", "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv",
        "--no-hosts", "--local=/example/", "--conf-file=/dev/null", "--pid-file=", "--log-facility=-",
    ]
    // Without --user, dnsmasq would drop root for a user that cannot read the scratch folder.
    let user = geteuid() == 0 ? ["--user=root"] : []
    try await withProgram([RealServer.path(of: "dnsmasq")] + usual + user + options) { server in
        do {
            try await eventually("the name server") {
                (try? TestSocket.connect(to: .ip("127.0.0.1", port: port))) != nil
            }
            try await body(server)
        } catch {
            Issue.record("output of dnsmasq: \(server.errorLines)")
            throw error
        }
    }
}
