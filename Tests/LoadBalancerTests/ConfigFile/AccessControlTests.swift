import Sockets
import TCPProxy
import Testing

@testable import LoadBalancer

/// The access control keys of a listener: the values that they are parsed to, and the errors reported for invalid ones.
@Suite("Access control in the configuration file")
struct AccessControlTests {
    /// Returns a file with one listener that has these keys, and the pools `p` and `web`.
    private func file(_ keys: String) -> String {
        let lines = keys.split(separator: "\n").map { "    \($0)\n" }.joined()
        return """
            listeners:
              front:
                listen: ":443"
                pool: p
            \(lines)pools:
              p: {servers: ["10.0.0.1:443"], send-proxy: v1}
              web: {servers: ["10.0.0.2:443"]}

            """
    }

    private func listener(_ keys: String) throws -> ListenerConfiguration {
        let file = try ConfigurationFile(parsing: Array(file(keys).utf8))
        return try #require(file.listeners.first).configuration
    }

    @Test("each key sets its setting")
    func keys() throws {
        let listener = try listener(
            """
            allow: [10.0.0.0/8, "2001:db8::/32"]
            deny: [10.1.0.0/16]
            max-connections: 100
            max-connections-per-client: 5
            rate: 10/s,burst=20
            rate-per-client: 1/m
            bandwidth: 64KiB
            accept-proxy: optional
            trusted-proxies: [10.2.0.1]
            preread-timeout: 2s
            sni: {www.example.com: web, "*.Example.com": web}
            alpn: {acme-tls/1: web, postgresql: web}
            plain: web
            """
        )
        let accessPolicy = listener.accessPolicy
        func admits(_ host: String) throws -> Bool? {
            accessPolicy.access?.admits(.internet(try #require(InternetAddress(host: host, port: 0))))
        }
        #expect(try admits("10.0.0.1") == true)
        #expect(try admits("10.1.0.1") == false)
        #expect(try admits("2001:db8::1") == true)
        #expect(try admits("192.0.2.1") == false)
        #expect(accessPolicy.maxConnections == 100)
        #expect(accessPolicy.maxConnectionsPerClient == 5)
        #expect(accessPolicy.rate == TokenRate(10, burst: 20))
        #expect(accessPolicy.ratePerClient == TokenRate(1, per: .seconds(60), burst: 1))
        #expect(listener.bandwidth == 65_536)
        #expect(accessPolicy.proxies?.header == .optional)
        #expect(accessPolicy.proxies?.networks.map(\.description) == ["10.2.0.1"])
        #expect(listener.timeouts.preread == .seconds(2))
        #expect(listener.alpnProtocols.map(\.pool) == ["web", "web"])
        #expect(listener.alpnProtocols.flatMap(\.protocols).map(\.name) == ["acme-tls/1", "postgresql"])
        #expect(listener.sniPatterns.map(\.pool) == ["web", "web"])
        #expect(listener.plainPool == "web")
        #expect(listener.sniPatterns.flatMap(\.names).map(\.description) == ["www.example.com", "*.example.com"])
    }

    @Test("listeners share limits by name")
    func sharedLimits() throws {
        let text = """
            limits:
              a: {max-connections: 7, max-connections-per-client: 3, rate: 10/s, rate-per-client: 1/s, limits-dry-run: true}
            listeners:
              one: {listen: ":80", pool: p, limits: a}
              two: {listen: ":81", pool: p, limits: a, deny: [10.0.0.0/8]}
              own: {listen: ":82", pool: p, max-connections: 5}
            pools:
              p: {servers: ["10.0.0.1:443"]}

            """
        let policies = try ConfigurationFile(parsing: Array(text.utf8)).listenerConfigurations.map(\.accessPolicy)
        #expect(policies.map(\.sharedLimits) == ["a", "a", nil])
        #expect(policies.map(\.maxConnections) == [7, 7, 5])
        #expect(policies.map(\.maxConnectionsPerClient) == [3, 3, nil])
        #expect(policies.map { $0.rate != nil && $0.ratePerClient != nil } == [true, true, false])
        #expect(policies.map(\.limitsDryRun) == [true, true, false])
    }

    @Test("without these keys, every client is admitted")
    func defaults() throws {
        let accessPolicy = try listener("").accessPolicy
        #expect(accessPolicy.access == nil)
        #expect(accessPolicy.maxConnections == nil)
        #expect(accessPolicy.proxies == nil)
    }

    @Test("a pool sends the configured PROXY header")
    func proxyProtocol() throws {
        let file = try ConfigurationFile(parsing: Array(file("").utf8))
        #expect(file.pools.map { $0.configuration(servers: []).proxyProtocol } == [.v1, nil])
    }

    @Test(
        "an invalid value is reported with its position and a fix",
        arguments: [
            (
                "allow: 10.0.0.0/8",
                "5:12: error: listeners.front.allow: invalid value '10.0.0.0/8': must be addresses or networks, such as [10.0.0.0/8, \"2001:db8::/32\"]"
            ),
            (
                "deny: [10.0.0.1/8]",
                "5:12: error: listeners.front.deny[0]: '10.0.0.1/8' has bits set after its prefix: write the block as 10.0.0.0/8, or the address alone"
            ),
            (
                "allow: [10.0.0.0/8]\ndeny: [10.0.0.0/8]",
                "6:11: error: listeners.front.deny: '10.0.0.0/8' is both allowed and denied: remove it from one of the lists"
            ),
            (
                "rate: 100",
                "5:11: error: listeners.front.rate: '100': write a number per second, minute or hour, such as 100/s, 30/m or 10/s,burst=50"
            ),
            (
                "bandwidth: 10Mbit",
                "5:16: error: listeners.front.bandwidth: '10Mbit': write a number of bytes, such as 1500, 16K, 64KiB or 10MB"
            ),
            (
                "accept-proxy: required",
                "5:19: error: listeners.front: missing key trusted-proxies: add their networks, such as trusted-proxies: [10.0.0.0/8]"
            ),
            (
                "trusted-proxies: [10.0.0.1]",
                "5:22: error: listeners.front.trusted-proxies: no effect without accept-proxy: add accept-proxy: required, or optional"
            ),
            (
                "accept-proxy: required\ntrusted-proxies: []",
                "6:22: error: listeners.front.trusted-proxies: no proxy is trusted: add networks of proxies, such as [10.0.0.0/8]"
            ),
            (
                "accept-proxy: required\ntrusted-proxies: [unix]",
                "6:22: error: listeners.front.trusted-proxies: unix applies to listeners at a Unix socket: add networks of proxies, such as [10.0.0.0/8]"
            ),
            (
                "limits: a",
                "5:13: error: listeners.front.limits: unknown limits 'a': define it in limits"
            ),
            (
                "sni: {www.example.com: wbe}",
                "5:28: error: listeners.front.sni.www.example.com: unknown pool 'wbe': did you mean web?"
            ),
            (
                "sni: {www.example.com: web, WWW.example.com: web}",
                "5:33: error: listeners.front.sni.WWW.example.com: duplicate name www.example.com: remove one of them"
            ),
            (
                "alpn: {h2: wbe}",
                "5:16: error: listeners.front.alpn.h2: unknown pool 'wbe': did you mean web?"
            ),
            (
                "alpn: {\"\": web}",
                "5:12: error: listeners.front.alpn.'': empty protocol name: write one that clients offer, such as h2"
            ),
            (
                "sni: {www.example.com: web}\nplain: wbe",
                "6:12: error: listeners.front.plain: unknown pool 'wbe': did you mean web?"
            ),
            (
                "plain: web",
                "5:12: error: listeners.front.plain: no effect without sni, alpn or tls: add routes, or use pool for all connections"
            ),
            (
                "alpn: [h2]",
                "5:11: error: listeners.front.alpn: invalid list: must map at least one protocol to a pool, such as h2: web"
            ),
            (
                "sni: {10.0.0.1: web}",
                "5:11: error: listeners.front.sni.10.0.0.1: '10.0.0.1' is an IP address, for which TLS clients send no SNI: write a host name"
            ),
        ]
    )
    func errors(keys: String, message: String) {
        let reported = messages(file(keys))
        #expect(reported.contains(message), "\(reported)")
    }
}
