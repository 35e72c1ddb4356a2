import Balancing
import LoadBalancer
import TCPProxy
import Testing

/// The values that valid files are parsed to.
@Suite("Values of configuration files")
struct ValuesTests {
    private func read(_ text: String) throws -> ConfigurationFile {
        try ConfigurationFile(parsing: Array(text.utf8))
    }

    private static let least = """
        listeners: {front: {listen: "127.0.0.1:5432", pool: p}}
        pools: {p: {servers: ["10.0.0.1:5432"]}}
        """

    @Test("without further keys, all settings have the library's defaults")
    func defaults() throws {
        let file = try read(Self.least)
        let defaults = ProxyConfiguration()
        #expect(file.threads == defaults.threads)
        #expect(file.process.maxConnections == defaults.maxConnections)
        #expect(file.process.engine == defaults.engine)
        #expect(file.process.maxPipes == defaults.maxPipes)
        #expect(file.process.grace == defaults.grace)
        #expect(file.process.drainDelay == defaults.drainDelay)
        let listener = try #require(file.listeners.first).configuration
        let defaultListener = ListenerConfiguration(address: listener.address)
        #expect(listener.name == "front")
        #expect(listener.address.description == "127.0.0.1:5432")
        #expect(listener.pool == "p")
        #expect(listener.timeouts == defaultListener.timeouts)
        #expect(listener.keepAlive == defaultListener.keepAlive)
        #expect(listener.backlog == defaultListener.backlog)
        #expect(listener.sourceAddresses == [])

        let pool = try #require(file.pools.first)
        #expect(pool.policy == .roundRobin)
        #expect(pool.check == nil)
        #expect(pool.ejection == EjectionSettings())
        #expect(pool.slowStart == nil)
        #expect(pool.onServerDown == .keep)
        #expect(pool.resolveInterval == defaults.resolveInterval)
        let server = try #require(pool.servers.first)
        #expect(server.name == "10.0.0.1:5432")
        let library = PoolConfiguration(name: "p", policy: nil, servers: [])
        #expect(pool.configuration(servers: []).queueLimit == library.queueLimit)
        #expect(pool.configuration(servers: []).queueTimeout == library.queueTimeout)
        #expect(pool.configuration(servers: []).onAllDown == library.onAllDown)
        guard case .socket(let address) = server.address else {
            Issue.record("\(server.address)")
            return
        }
        #expect(server.configuration(at: address) == ServerConfiguration(name: "10.0.0.1:5432", address: address))
    }

    @Test("each key sets its value")
    func keys() throws {
        let file = try read(
            """
            threads: 3
            max-connections: 1000
            engine: copy
            max-pipes: 7
            grace: 1m
            drain-delay: 0
            admin: off
            events: true
            summary: off
            log-level: debug
            log-format: json
            listeners:
              front:
                listen: unix:/run/front.sock
                pool: p
                connect-timeout: 1s
                connect-deadline: off
                idle-timeout: 2s
                half-close-timeout: 3s
                lifetime: 4s
                keepalive: off
                tcp-user-timeout: 5s
                backlog: 6
                source: [127.0.0.2, "::1"]
            pools:
              p:
                policy: maglev
                servers:
                  - address: db.example:5432
                    name: db2
                    weight: 0
                    max-connections: 9
                  - address: "[::1]:5432"
                    backup: true
                  - unix:/run/db.sock
                check:
                  type: http
                  interval: 3s
                  timeout: 2s
                  rise: 4
                  fall: 5
                  port: 81
                  initial: down
                  path: /up
                  host: db.example
                  status: "204"
                ejection: {consecutive-failures: off, failure-rate: 10%, window: 1s, min-attempts: 2, base-time: 3s,
                  max-time: 4s, max-percent: 0%}
                slow-start: 6s
                queue: {limit: 0, timeout: 7s}
                on-server-down: close
                on-all-down: try
                resolve-interval: off
            """
        )
        #expect(file.process.threads == 3)
        #expect(file.process.maxConnections == 1000)
        #expect(file.process.engine == .copy)
        #expect(file.process.maxPipes == 7)
        #expect(file.process.grace == .seconds(60))
        #expect(file.process.drainDelay == .zero)
        #expect(file.admin == nil)
        #expect(file.events)
        #expect(file.summary == .off)
        #expect(file.logLevel == .debug)
        #expect(file.logFormat == .json)

        let listener = try #require(file.listeners.first).configuration
        #expect(listener.address == .socket(.unix(path: "/run/front.sock")))
        let timeouts = listener.timeouts
        #expect(timeouts.connectAttempt == .seconds(1))
        #expect(timeouts.connect == nil)
        #expect(timeouts.idle == .seconds(2))
        #expect(timeouts.halfClose == .seconds(3))
        #expect(timeouts.lifetime == .seconds(4))
        #expect(timeouts.user == .seconds(5))
        #expect(listener.keepAlive == nil)
        #expect(listener.backlog == 6)
        #expect(listener.sourceAddresses.map(\.host) == ["127.0.0.2", "::1"])

        let pool = try #require(file.pools.first)
        #expect(pool.policy == .maglev)
        #expect(pool.servers.map(\.name) == ["db2", "[::1]:5432", "unix:/run/db.sock"])
        #expect(pool.servers.map(\.address.description) == ["db.example:5432", "[::1]:5432", "unix:/run/db.sock"])
        #expect(pool.servers.map(\.weight) == [0, 1, 1])
        #expect(pool.servers.map(\.backup) == [false, true, false])
        #expect(pool.servers.map(\.maxConnections) == [9, nil, nil])
        let check = try #require(pool.check)
        #expect(check.type == .http)
        #expect(check.interval == .seconds(3))
        #expect(check.timeout == .seconds(2))
        #expect(check.rise == 4)
        #expect(check.fall == 5)
        #expect(check.port == 81)
        #expect(check.initial == .down)
        #expect(check.path == "/up")
        #expect(check.host == "db.example")
        #expect(check.status == [204...204])
        let ejection = try #require(pool.ejection)
        #expect(ejection.consecutiveFailures == nil)
        #expect(ejection.failureRate == 10)
        #expect(ejection.window == .seconds(1))
        #expect(ejection.minAttempts == 2)
        #expect(ejection.baseTime == .seconds(3))
        #expect(ejection.maxTime == .seconds(4))
        #expect(ejection.maxPercentEjected == 0)
        #expect(pool.slowStart == .seconds(6))
        #expect(pool.queue.limit == 0)
        #expect(pool.queue.timeout == .seconds(7))
        #expect(pool.onServerDown == .close)
        #expect(pool.onAllDown == .tryAnyway)
        #expect(pool.resolveInterval == nil)
    }

    @Test("listeners and pools keep the order of the file")
    func order() throws {
        let names = ["z", "a", "m", "b"]
        let listeners = names.enumerated().map { "  \($1): {listen: '127.0.0.1:\(1000 + $0)', pool: \($1)}\n" }.joined()
        let pools = names.map { "  \($0): {servers: ['10.0.0.1:80']}\n" }.joined()
        let file = try read("pools:\n\(pools)listeners:\n\(listeners)")
        #expect(file.listeners.map(\.name) == names)
        #expect(file.pools.map(\.name) == names)
        #expect(file.warnings == [])
    }

    @Test("the texts of a health check are not changed")
    func checkTexts() throws {
        let file = try read(
            Self.least.replacing(
                #"["10.0.0.1:5432"]"#,
                with: #"["10.0.0.1:5432"], check: {type: send-expect, send: "a\r\n\0*", expect: '*b\n'}"#
            )
        )
        #expect(file.pools.first?.check?.send == "a\r\n\0*")
        #expect(file.pools.first?.check?.expect == #"*b\n"#)
    }

    @Test("an alias has the value of its anchor")
    func aliases() throws {
        let file = try read(
            """
            listeners:
              a: {listen: "127.0.0.1:1", pool: p, idle-timeout: &long 1h}
              b: {listen: "127.0.0.1:2", pool: q, idle-timeout: *long}
            pools:
              p:
                check: &check {type: redis, fall: 7}
                servers: &servers ["10.0.0.1:1", "10.0.0.2:1"]
              q:
                check: *check
                servers: *servers
            """
        )
        #expect(file.listeners.map(\.timeouts.idle) == [.seconds(3600), .seconds(3600)])
        #expect(file.pools.map(\.check?.fall) == [7, 7])
        #expect(file.pools[0].servers == file.pools[1].servers)
    }

    @Test("a byte order mark and carriage returns are accepted")
    func lineEnds() throws {
        let file = try read("\u{FEFF}" + Self.least.replacing("\n", with: "\r\n"))
        #expect(file.listeners.count == 1)
    }
}
