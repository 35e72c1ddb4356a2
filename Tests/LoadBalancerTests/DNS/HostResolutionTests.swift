import Sockets
import Support
import Synchronization
import Testing

@testable import LoadBalancer

/// Lookups with results given by the test.
@Suite("Host resolution")
struct HostResolutionTests {
    @Test("every address becomes a server")
    func addresses() async throws {
        let zone = Zone()
        zone.set(.ipv4(name("db.example")), addresses: "127.0.0.2", "127.0.0.1", "127.0.0.2", ttl: 60)
        zone.set(.ipv6(name("db.example")), addresses: "::1", ttl: 20)
        var lookup = zone.lookup
        let outcome = await lookup.servers(of: .host("db.example", port: 5432))
        #expect(outcome.servers.map(\.address.description) == ["[::1]:5432", "127.0.0.1:5432", "127.0.0.2:5432"])
        #expect(outcome.servers.allSatisfy { $0.host == "db.example" && $0.weight == nil && $0.priority == 0 })
        #expect(outcome.timeToLive == .seconds(20))
        #expect(outcome.failure == nil)
    }

    @Test("SRV records give ports, weights and priorities")
    func srvRecords() async throws {
        let zone = Zone()
        zone.set(
            .service(name("_pg._tcp.db.example")),
            services: service(20, 0, 5433, "backup.example"),
            service(10, 5, 5432, "one.example"),
            service(10, 50, 5432, "two.example"),
            ttl: 60
        )
        zone.set(.ipv4(name("one.example")), addresses: "127.0.0.1", ttl: 60)
        zone.set(.ipv6(name("one.example")), addresses: "::1", ttl: 10)
        zone.set(.ipv4(name("two.example")), addresses: "127.0.0.2", ttl: 60)
        zone.set(.ipv4(name("backup.example")), addresses: "127.0.0.9", ttl: 60)
        var lookup = zone.lookup
        let outcome = await lookup.servers(of: .service(name("_pg._tcp.db.example")))
        #expect(
            outcome.servers == [
                server("[::1]:5432", "one.example", 10, 5), server("127.0.0.1:5432", "one.example", 10, 5),
                server("127.0.0.2:5432", "two.example", 10, 50), server("127.0.0.9:5433", "backup.example", 20, 0),
            ]
        )
        #expect(outcome.timeToLive == .seconds(10))
        #expect(outcome.failure == nil)
    }

    @Test("a service that is not offered is a failure")
    func notOffered() async {
        let zone = Zone()
        zone.set(
            .service(name("_pg._tcp.db.example")),
            services: DNSService(priority: 0, weight: 0, port: 0, target: .root)
        )
        var lookup = zone.lookup
        let outcome = await lookup.servers(of: .service(name("_pg._tcp.db.example")))
        #expect(outcome == .init(servers: [], failure: .notOffered))
    }

    @Test("a host is resolved by the addresses of one family if the query for the other fails")
    func oneFamily() async {
        let zone = Zone()
        let address = ServerAddress.host("db.example", port: 1)
        for failure in [DNSFailure.noSuchName(), .silent(server: .internet(InternetAddress(v4: 0, port: 53)))] {
            zone.set(.ipv4(name("db.example")), addresses: "127.0.0.1", ttl: 60)
            zone.fail(.ipv6(name("db.example")), failure)
            var lookup = zone.lookup
            let outcome = await lookup.servers(of: address)
            #expect(outcome.servers.map(\.address.description) == ["127.0.0.1:1"])
            #expect(outcome.failure == nil)
            zone.fail(.ipv4(name("db.example")), failure)
            #expect(await lookup.servers(of: address).failure == failure)
        }
    }

    /// If the lookup of one host of a service, or of one address family of a host, fails, it keeps its previous
    /// addresses.
    @Test("a failed lookup keeps the previous addresses")
    func failedLookup() async {
        let zone = Zone()
        zone.set(.ipv4(name("db.example")), addresses: "127.0.0.1", ttl: 60)
        zone.set(.ipv6(name("db.example")), addresses: "::1", ttl: 60)
        var lookup = zone.lookup
        let address = ServerAddress.host("db.example", port: 1)
        let first = await lookup.servers(of: address)
        let trouble = DNSFailure.silent(server: .internet(InternetAddress(v4: 0, port: 53)))
        zone.fail(.ipv6(name("db.example")), trouble)
        zone.set(.ipv4(name("db.example")), addresses: "127.0.0.7", ttl: 60)
        let second = await lookup.servers(of: address)
        #expect(first.servers.map(\.address.description) == ["[::1]:1", "127.0.0.1:1"])
        #expect(second.servers.map(\.address.description) == ["[::1]:1", "127.0.0.7:1"])
        #expect(second.failure == trouble)
        // A response without the family counts as an answer.
        zone.set(.ipv6(name("db.example")))
        let third = await lookup.servers(of: address)
        #expect(third.servers.map(\.address.description) == ["127.0.0.7:1"])
        #expect(third.failure == nil)
        // After that there is nothing to keep.
        zone.fail(.ipv6(name("db.example")), trouble)
        #expect(await lookup.servers(of: address).servers.map(\.address.description) == ["127.0.0.7:1"])
    }

    @Test("the number of servers is limited")
    func serverLimit() async {
        let zone = Zone()
        let all = (0..<1_000).map { "127.0.\($0 / 250).\($0 % 250 + 1)" }
        zone.answers.withLock {
            $0[.ipv4(name("db.example"))] = .success(
                DNSResult(addresses: all.compactMap { InternetAddress(host: $0, port: 0) })
            )
        }
        var lookup = zone.lookup
        #expect(await lookup.servers(of: .host("db.example", port: 1)).servers.count == HostResolution.serverLimit)
    }

    // MARK: Members of a pool

    @Test(
        "weights of SRV records are scaled to the range of a pool",
        arguments: [
            (weights: [10, 50, 40], expected: [10, 50, 40]), ([0, 0], [1, 1]), ([0, 1], [1, 256]),
            ([256, 1], [256, 1]),
            ([65_535, 1, 0, 32_768], [256, 1, 1, 128]), ([300, 100], [256, 85]),
        ]
    )
    func weights(weights: [UInt16], expected: [Int]) {
        let servers = weights.enumerated().map { index, weight in
            server("127.0.0.\(index + 1):1", "one.example", 7, weight)
        }
        let members = PoolMember.members(servers)
        #expect(members.map(\.weight) == expected)
        #expect(members.map(\.server) == servers)
        #expect(members.allSatisfy { !$0.isBackup })
    }

    @Test("servers of higher priority values are backups")
    func priorities() {
        let servers = [
            server("127.0.0.1:1", "a.example", 5, 0), server("127.0.0.2:1", "b.example", 6, 1_000),
            server("127.0.0.3:1", "c.example", 7, 500),
        ]
        #expect(PoolMember.members(servers).map(\.isBackup) == [false, true, true])
        #expect(PoolMember.members(servers).map(\.weight) == [1, 256, 128])
        let plain = [DiscoveredEndpoint(address: .unix(path: "/a"))]
        #expect(PoolMember.members(plain) == [PoolMember(server: plain[0], weight: nil, isBackup: false)])
        #expect(PoolMember.members([]).isEmpty)
    }

    // MARK: Texts

    @Test(
        "a server address is parsed and formatted",
        arguments: [
            "127.0.0.1:5432", "[::1]:5432", "unix:/run/db.sock", "db.example:5432", "srv:_pg._tcp.db.example",
        ]
    )
    func parsing(text: String) throws {
        #expect(try ServerAddress(parsing: text).description == text)
    }

    @Test(
        "an invalid server address is rejected",
        arguments: ["srv:", "srv:a b", "srv:_pg._tcp.db.example:5432", "db.example", ""]
    )
    func invalidAddresses(text: String) {
        #expect(throws: ServerAddressError.self) { try ServerAddress(parsing: text) }
    }

    @Test("name servers are read from resolv.conf")
    func nameServers() {
        let text = """
            # nameserver 127.0.0.9
            search example
            nameserver 127.0.0.53
            nameserver  ::1 \n\
            nameserver nonsense
            options edns0
            nameserver 127.0.0.3
            nameserver 127.0.0.4
            """
        #expect(DNSClient.servers(in: text).map(\.description) == ["127.0.0.53:53", "[::1]:53", "127.0.0.3:53"])
        #expect(DNSClient.servers(in: "").map(\.description) == ["127.0.0.1:53"])
    }

    @Test("the system's resolver finds localhost")
    func localhost() async throws {
        var lookup = HostResolution(.system)
        let outcome = await lookup.servers(of: .host("localhost", port: 80))
        #expect(outcome.servers.contains { ["127.0.0.1:80", "[::1]:80"].contains($0.address.description) })
    }
}

private func name(_ text: String) -> DNSName { DNSName(text) ?? .root }

private func service(_ priority: UInt16, _ weight: UInt16, _ port: UInt16, _ target: String) -> DNSService {
    DNSService(priority: priority, weight: weight, port: port, target: name(target))
}

private func server(_ address: String, _ host: String, _ priority: UInt16, _ weight: UInt16) -> DiscoveredEndpoint {
    guard case .socket(let address) = try? ServerAddress(parsing: address) else { fatalError("no address") }
    return DiscoveredEndpoint(address: address, host: host, priority: priority, weight: weight)
}

/// The responses of a name server: empty for all names that the test has not set.
private final class Zone: Sendable {
    let answers = Mutex<[DNSQuery: Result<DNSResult, DNSFailure>]>([:])

    func set(_ question: DNSQuery, addresses: String..., services: DNSService..., ttl: Int? = nil) {
        let answer = DNSResult(
            addresses: addresses.compactMap { InternetAddress(host: $0, port: 0) },
            services: services,
            timeToLive: ttl.map { .seconds($0) }
        )
        answers.withLock { $0[question] = .success(answer) }
    }

    func fail(_ question: DNSQuery, _ failure: DNSFailure) {
        answers.withLock { $0[question] = .failure(failure) }
    }

    var lookup: HostResolution {
        HostResolution(questions: { host in [.ipv4(name(host)), .ipv6(name(host))] }) { [self] question in
            answers.withLock { $0[question] } ?? .success(DNSResult())
        }
    }
}
