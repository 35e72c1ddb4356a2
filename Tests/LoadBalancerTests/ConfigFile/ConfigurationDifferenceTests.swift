import TCPProxy
import Testing

@testable import LoadBalancer

@Suite("Configuration difference")
struct ConfigurationDifferenceTests {
    private func file(_ text: String) throws -> ConfigurationFile {
        try ConfigurationFile(parsing: Array(text.utf8))
    }

    private let before = """
        threads: 2
        listeners:
          a: { listen: 127.0.0.1:1000, pool: p }
          b: { listen: 127.0.0.1:2000, pool: p }
        pools:
          p: { servers: [127.0.0.1:3000] }
        """

    @Test("changed keys are reported with their section")
    func keys() throws {
        let after = """
            threads: 3
            listeners:
              a: { listen: 127.0.0.1:1000, pool: q, idle-timeout: 5s }
              c: { listen: 127.0.0.1:2000, pool: p }
            pools:
              p: { servers: [127.0.0.1:4000], check: { type: tcp }, policy: first }
              q: { servers: [127.0.0.1:3000] }
            """
        let difference = try ConfigurationDifference(from: file(before), to: file(after))
        #expect(difference.onRestart == ["threads"])
        #expect(difference.listeners == ["a": ["pool", "idle-timeout"]])
        #expect(difference.pools == ["p": ["policy", "check"]])
    }

    @Test("identical files have no difference")
    func same() throws {
        let difference = try ConfigurationDifference(from: file(before), to: file(before))
        #expect(difference.lines(with: ProxyChange()) == [])
    }

    @Test("change lines state the effect on connections and name each object once")
    func lines() throws {
        let after = before.replacing("pool: p }\n  b", with: "pool: p, idle-timeout: 5s }\n  b")
            .replacing("[127.0.0.1:3000]", with: "[127.0.0.1:4000], slow-start: 5s").replacing(
                "threads: 2",
                with: "threads: 3"
            )
        var change = ProxyChange()
        change.items = [
            .init(.listener("a"), .changed, connections: 2),
            .init(.server("127.0.0.1:3000", pool: "p"), .removed, connections: 1),
            .init(.server("127.0.0.1:4000", pool: "p"), .added),
        ]
        let difference = try ConfigurationDifference(from: file(before), to: file(after))
        #expect(
            difference.lines(with: change) == [
                "listener a changed (idle-timeout): its 2 connections continue",
                "server 127.0.0.1:3000 of pool p removed: its connection continues",
                "server 127.0.0.1:4000 of pool p added", "pool p changed (slow-start)",
                "threads changed: takes effect after a restart",
            ]
        )
    }
}
