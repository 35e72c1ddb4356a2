import ArgumentParser
import LoadBalancer
import Sockets
import Support
import TCPProxy
import Testing

@testable import monkey

/// Results of parsing command lines, and the errors for invalid ones.
@Suite("Command line of monkey proxy")
struct CommandLineTests {
    private func proxy(_ arguments: String...) throws -> ProxyCommand {
        try ProxyCommand.parse(arguments)
    }

    @Test("without options, all settings have the library's defaults")
    func defaults() throws {
        let command = try proxy()
        #expect(command.listen.description == "127.0.0.1:8080")
        #expect(command.upstream.description == "127.0.0.1:8081")
        #expect(command.serving.admin.admin.description == "127.0.0.1:8998")
        #expect(command.serving.admin.summaryInterval == .onTerminal(.seconds(10)))
        #expect(!command.serving.admin.events)
        #expect(command.logging.logFormat == .text)

        let defaults = ProxyConfiguration()
        let configuration = command.serving.proxyConfiguration
        let defaultListener = ListenerConfiguration(address: command.listen)
        let listener = command.serving.listener(at: command.listen)
        #expect(configuration.threads == defaults.threads)
        #expect(configuration.maxConnections == defaults.maxConnections)
        #expect(listener.backlog == defaultListener.backlog)
        #expect(listener.sourceAddresses == defaultListener.sourceAddresses)
        #expect(listener.timeouts == defaultListener.timeouts)
        #expect(listener.keepAlive == defaultListener.keepAlive)
        #expect(configuration.grace == defaults.grace)
        #expect(configuration.drainDelay == defaults.drainDelay)
        #expect(configuration.resolveInterval == defaults.resolveInterval)
    }

    @Test("the protocols of clients and servers set their settings", .needsTLS)
    func protocols() throws {
        let command = try proxy(
            "--protocol",
            "postgres",
            "--tls-self-signed",
            "db.test",
            "--server-tls",
            "--server-protocol",
            "postgres"
        )
        #expect(command.serving.listener(at: command.listen).connectionProtocol == .postgres)
        #expect(command.serving.tls.serverProtocol == .postgres)
        #expect(try proxy().serving.listener(at: command.listen).connectionProtocol == .tcp)
    }

    @Test("a protocol without TLS is rejected", arguments: ["--protocol", "--server-protocol"])
    func protocolsWithoutTLS(option: String) {
        let error = #expect(throws: (any Error).self) { try proxy(option, "postgres") }
        let text = error.map { ProxyCommand.message(for: $0) } ?? ""
        #expect(text.contains("\(option) postgres has no effect without"), "\(text)")
    }

    @Test("each option sets its setting")
    func options() throws {
        let command = try proxy(
            "--threads",
            "3",
            "--max-connections",
            "77",
            "--backlog",
            "9",
            "--source",
            "127.0.0.2",
            "--source",
            "::1",
            "--keepalive",
            "7s",
            "--tcp-user-timeout",
            "8s",
            "--connect-timeout",
            "1s",
            "--connect-deadline",
            "2s",
            "--idle-timeout",
            "3s",
            "--half-close-timeout",
            "4s",
            "--lifetime",
            "5s",
            "--resolve-interval",
            "6s",
            "--grace",
            "9s",
            "--drain-delay",
            "10s"
        )
        let configuration = command.serving.proxyConfiguration
        let listener = command.serving.listener(at: command.listen)
        #expect(configuration.threads == 3)
        #expect(configuration.maxConnections == 77)
        #expect(listener.backlog == 9)
        #expect(listener.sourceAddresses.map(\.host) == ["127.0.0.2", "::1"])
        #expect(listener.keepAlive?.interval == .seconds(7))
        #expect(listener.timeouts.user == .seconds(8))
        #expect(listener.timeouts.connectAttempt == .seconds(1))
        #expect(listener.timeouts.connect == .seconds(2))
        #expect(listener.timeouts.idle == .seconds(3))
        #expect(listener.timeouts.halfClose == .seconds(4))
        #expect(listener.timeouts.lifetime == .seconds(5))
        #expect(configuration.resolveInterval == .seconds(6))
        #expect(configuration.grace == .seconds(9))
        #expect(configuration.drainDelay == .seconds(10))
    }

    @Test("each access control option sets its setting")
    func accessControlOptions() throws {
        let command = try proxy(
            "--allow",
            "10.0.0.0/8",
            "--deny",
            "10.1.0.0/16",
            "--deny",
            "10.2.0.1",
            "--max-connections-per-client",
            "5",
            "--rate",
            "100/s",
            "--rate-per-client",
            "10/m,burst=3",
            "--bandwidth",
            "2MB",
            "--accept-proxy",
            "required",
            "--trusted-proxies",
            "10.3.0.0/16",
            "--send-proxy",
            "v2",
            "--preread-timeout",
            "3s"
        )
        let listener = command.serving.listener(at: command.listen)
        func admits(_ host: String) throws -> Bool? {
            listener.accessPolicy.access?.admits(.internet(try #require(InternetAddress(host: host, port: 0))))
        }
        #expect(try admits("10.0.0.1") == true)
        #expect(try admits("10.1.2.3") == false)
        #expect(try admits("10.2.0.1") == false)
        #expect(try admits("192.0.2.1") == false)
        #expect(listener.accessPolicy.maxConnectionsPerClient == 5)
        #expect(listener.accessPolicy.rate == TokenRate(100, burst: 100))
        #expect(listener.accessPolicy.ratePerClient == TokenRate(10, per: .seconds(60), burst: 3))
        #expect(listener.bandwidth == 2_000_000)
        #expect(listener.accessPolicy.proxies?.header == .required)
        #expect(listener.accessPolicy.proxies?.networks.map(\.description) == ["10.3.0.0/16"])
        #expect(command.serving.accessPolicy.sendProxy.value == .v2)
        #expect(listener.timeouts.preread == .seconds(3))
    }

    @Test(
        "contradicting access control options are rejected",
        arguments: [
            ["--accept-proxy", "required"], ["--trusted-proxies", "10.0.0.0/8"],
            ["--accept-proxy", "yes", "--trusted-proxies", "10.0.0.0/8"],
            ["--allow", "10.0.0.0/8", "--deny", "10.0.0.0/8"], ["--allow", "10.0.0.1/8"], ["--rate", "10"],
            ["--send-proxy", "v3"], ["--bandwidth", "0"],
        ]
    )
    func contradictions(arguments: [String]) {
        #expect(throws: (any Error).self) { try ProxyCommand.parse(arguments) }
    }

    @Test(
        "an invalid option value is an error that names the option",
        arguments: [
            ("--threads", "0"), ("--threads", "many"), ("--threads", "1000000"), ("--grace", "banana"),
            ("--grace", "10"), ("--grace", "-1s"), ("--grace", "99999999999999999999h"), ("--drain-delay", "1sec"),
            ("--connect-timeout", "5 minutes"), ("--connect-timeout", "0s"), ("--idle-timeout", "never"),
            ("--half-close-timeout", "1.5"), ("--lifetime", ""), ("--tcp-user-timeout", "x"), ("--keepalive", "x"),
            ("--backlog", "-1"), ("--backlog", "x"), ("--source", "127.0.0.1:80"), ("--source", "nonsense"),
            ("--max-connections", "0"), ("--max-connections", "-5"), ("--summary", "often"), ("--log-level", "loud"),
            ("--log-format", "xml"), ("--admin", "nonsense"), ("--admin", ""),
        ]
    )
    func badValue(option: String, value: String) {
        // With the equals sign, so that a value may begin with a dash.
        let error = #expect(throws: (any Error).self) { try ProxyCommand.parse(["\(option)=\(value)"]) }
        let message = error.map { ProxyCommand.message(for: $0) } ?? ""
        #expect(message.contains("for '\(option) "), "\(message)")
    }

    @Test(
        "an invalid address is an error that quotes it",
        arguments: [
            "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:http!", "[::1:80",
            "::1:80:", "[::1]", "unix:", "999.0.0.1:80", "a b:80", "",
        ]
    )
    func badAddress(text: String) {
        let listen = #expect(throws: (any Error).self) { try ValueReader.address.read(text) }
        let upstream = #expect(throws: (any Error).self) { try ValueReader.upstream.read(text) }
        for error in [listen, upstream] { #expect(error.map { "\($0)" }?.contains(text) == true, "\(error)") }
    }

    @Test("optional settings can be off")
    func off() throws {
        let command = try proxy(
            "--keepalive",
            "off",
            "--tcp-user-timeout",
            "off",
            "--connect-timeout",
            "off",
            "--connect-deadline",
            "off",
            "--idle-timeout",
            "off",
            "--half-close-timeout",
            "off",
            "--lifetime",
            "off",
            "--resolve-interval",
            "off",
            "--admin",
            "off",
            "--summary",
            "off"
        )
        let configuration = command.serving.proxyConfiguration
        let listener = command.serving.listener(at: command.listen)
        #expect(listener.keepAlive == nil)
        #expect(listener.timeouts.user == nil)
        #expect(listener.timeouts.connectAttempt == nil)
        #expect(listener.timeouts.connect == nil)
        #expect(listener.timeouts.idle == nil)
        #expect(listener.timeouts.halfClose == nil)
        #expect(listener.timeouts.lifetime == nil)
        #expect(configuration.resolveInterval == nil)
        #expect(command.serving.admin.admin == .off)
        #expect(command.serving.admin.summaryInterval == .off)
    }

    @Test("an upstream is an address or the echo server")
    func upstream() throws {
        #expect(try proxy("127.0.0.1:0", "echo").upstream == .echo)
        #expect(try proxy("127.0.0.1:0", "example.com:80").upstream.description == "example.com:80")
        #expect(try proxy("127.0.0.1:0", "unix:/run/x").upstream.description == "unix:/run/x")
    }

    @Test(
        "an invalid argument is reported on one line that names it",
        arguments: [
            (["proxy", "127.0.0.1"], "The value '127.0.0.1' is invalid for '<listen>': '127.0.0.1' has no port"),
            (["proxy", ":8080", "nowhere"], "The value 'nowhere' is invalid for '<upstream>': 'nowhere' has no port"),
            (["proxy", ":8080", "127.0.0.1:0"], "invalid for '<upstream>': port 0 cannot be connected to"),
            (["proxy", ":8080", ":8080"], "<upstream> [::]:8080 is the proxy's own listening address"),
            (
                ["proxy", "--grace", "10"],
                "The value '10' is invalid for '--grace <duration>': missing unit: write 10ms,"
            ),
            (["proxy", "--grace", "off"], "invalid for '--grace <duration>': write a number and its unit"),
            (["proxy", "--idle-timeout", "0"], "'--idle-timeout <duration>': too short: must be at least 1ms, or off"),
            (["proxy", "--keepalive", "1500ms"], "'--keepalive <duration>': it is not a whole number of seconds"),
            (["proxy", "--keepalive", "10h"], "'--keepalive <duration>': too long: must be at most 32767s, or off"),
            (["proxy", "--threads", "0"], "'--threads <count>': write a whole number from 1 to 256"),
            (["proxy", "--threads", "x"], "'--threads <count>': write a whole number from 1 to 256"),
            (["proxy", "--backlog", "65536"], "'--backlog <count>': write a whole number from 1 to 65535"),
            (
                ["proxy", "--source", "127.0.0.2:80"],
                "'--source <address>': write an IP address of this machine without"
            ),
            (["proxy", "--admin", "on"], "'--admin <address>': 'on' has no port"),
            (["proxy", "--log-level", "loud"], "The value 'loud' is invalid for '--log-level <level>'"),
            (["proxy", "--evnts"], "Unknown option '--evnts'. Did you mean '--events'?"),
            (["balance", "--nonsense"], "Unknown option '--nonsense'"),
            (["balance", ":1", "--polcy", "first", ":2"], "Unknown option '--polcy'. Did you mean '--policy'?"),
            (["balance", "-x"], "Unknown option '-x'"),
            (["proxy", ":1", "--foo=:2"], "Unknown option '--foo'"),
            (["run", "--foo"], "Unknown option '--foo'"),
            (["load", "--rat", "1/s"], "Unknown option '--rat'. Did you mean '--rate'?"),
            (["balance", "--no-admin-api"], "Missing expected argument '<listen>'"),
            (["balance", "--", "--nonsense"], "invalid for '<listen>': '--nonsense' has no port"),
            (["proxy", ":1", ":2", ":3"], "Unexpected argument ':3'"),
            (["echo", "8081"], "The value '8081' is invalid for '<listen>': '8081' has no host: write :8081"),
            (["ech"], "Unexpected argument 'ech'"),
            (["proxy", ":1", "8080"], "write it before the port, such as 127.0.0.1:8080, or write echo"),
            (["balance", ":1", "8080"], "write it before the port, such as 127.0.0.1:8080"),
            (["proxy", ":1", ":2", "--allow", "10.0.0.0/8", "--deny", "10.0.0.0/8"], "10.0.0.0/8"),
        ]
    )
    func errors(arguments: [String], expected: String) throws {
        let thrown = #expect(throws: (any Error).self) { try Monkey.parseAsRoot(arguments) }
        let error = try #require(thrown)
        let line = try #require(Monkey.errorLine(for: error, parsing: arguments))
        #expect(line.hasPrefix("Error: "))
        #expect(line.contains(expected))
        #expect(!line.contains { $0.isNewline })
        #expect(Monkey.exitCode(for: error, parsing: arguments).rawValue == 64)
    }

    @Test("SIGHUP and SIGUSR1 are blocked for the commands that serve or measure")
    func controlSignals() {
        let names = Monkey.configuration.subcommands.map { $0.configuration.commandName ?? "" }
        #expect(
            names.filter { ControlSignals.areBlocked(for: [$0]) } == ["proxy", "balance", "run", "echo", "load"]
        )
        #expect(!ControlSignals.areBlocked(for: []))
    }

    @Test("an error of the library is reported in terms of the command line")
    func libraryErrors() throws {
        let error = ProxyError.descriptorLimit(limit: 100, wanted: 2_064, connections: 1_000)
        let asked = try proxy("--max-connections", "1000").serving.explanation(of: error)
        #expect(
            Monkey.errorLine(for: asked)
                == "Error: --max-connections 1000 needs 2064 descriptors, and the limit is 100: "
                + "raise the limit (ulimit -n), or lower --max-connections"
        )
        #expect(Monkey.exitCode(for: asked).rawValue == 1)

        let setting = ProxyError.badSetting(name: "threads", value: "0", allowed: "1 to 256")
        let loop = ProxyError.loop("server b is this listener", listener: "a")
        for error in [setting, loop] {
            #expect(try Monkey.exitCode(for: proxy().serving.explanation(of: error)).rawValue == 64)
        }
    }
}
