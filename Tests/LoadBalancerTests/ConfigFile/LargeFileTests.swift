import LoadBalancer
import TCPProxy
import Testing

/// Files with as many listeners, pools and servers as a proxy supports.
@Suite("Large configuration files", .timeLimit(.minutes(2)))
struct LargeFileTests {
    private func text(listeners: Int, pools: Int, servers: Int) -> String {
        var lines = ["listeners:"]
        for number in 0..<listeners {
            lines.append("  l\(number): {listen: \"127.0.0.1:\(10_000 + number)\", pool: p\(number % pools)}")
        }
        lines.append("pools:")
        for pool in 0..<pools {
            let addresses = (0..<servers).map { "\"10.0.\($0 / 250).\($0 % 250):\(1 + pool)\"" }
            lines.append("  p\(pool): {servers: [\(addresses.joined(separator: ", "))]}")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    @Test("1,024 listeners and 1,024 pools with 16,384 servers are valid")
    func most() throws {
        let file = try ConfigurationFile(parsing: Array(text(listeners: 1_024, pools: 1_024, servers: 16).utf8))
        #expect(file.listeners.count == Proxy.maxListeners)
        #expect(file.pools.count == Proxy.maxPools)
        #expect(file.pools.map(\.servers.count).reduce(0, +) == Proxy.maxServers)
        #expect(file.warningLines.isEmpty)
    }

    @Test("too many listeners, pools and servers are errors that name the limit")
    func tooMany() {
        #expect(
            messages(text(listeners: 1_025, pools: 1, servers: 1)).filter { $0.contains("error") }
                == ["2:3: error: listeners: too many names: 1025, at most 1024 are allowed"]
        )
        #expect(
            messages(text(listeners: 1, pools: 17, servers: 1_024)).filter { $0.contains("error") }
                == ["4:3: error: pools: too many servers in all pools: 17408, at most 16384 are allowed"]
        )
    }

    @Test("a conflict is reported with the first of several addresses, in file order")
    func conflicts() {
        let text = """
            listeners:
              a: {listen: "127.0.0.1:80", pool: p}
              b: {listen: "127.0.0.2:80", pool: p}
              c: {listen: "127.0.0.1:81", pool: p}
              d: {listen: "0.0.0.0:80", pool: p}
              e: {listen: "127.0.0.3:80", pool: p}
            pools:
              p: {servers: ["10.0.0.1:80"]}
            """
        #expect(
            messages(text) == [
                "5:15: error: listeners.d.listen: conflicts with 127.0.0.1:80 of listeners.a, as one of them binds all "
                    + "interfaces: choose another port",
                "6:15: error: listeners.e.listen: conflicts with 0.0.0.0:80 of listeners.d, as one of them binds all "
                    + "interfaces: choose another port",
            ]
        )
    }
}
