import ArgumentParser
import Support
import Testing

@testable import LoadTester
@testable import monkey

/// Results of parsing the TLS options of `monkey load`.
@Suite("TLS options of monkey load")
struct LoadTLSOptionsTests {
    private func configuration(_ arguments: [String]) throws -> LoadTest.Configuration {
        let command = try #require(Monkey.parseAsRoot(["load", "127.0.0.1:1"] + arguments) as? LoadCommand)
        return try command.configuration(for: command.targets[0])
    }

    @Test("connections are encrypted only on request, which mode handshake implies", .needsTLS)
    func isOff() throws {
        #expect(try configuration([]).tls == nil)
        #expect(try configuration(["--tls", "--tls-verify", "off"]).tls != nil)
        let handshake = try configuration(["--mode", "handshake", "--tls-verify", "off", "--end", "reset"])
        #expect(handshake.tls != nil)
        guard case .handshake(ending: .reset) = handshake.mode else {
            Issue.record("\(handshake.mode)")
            return
        }
    }

    @Test("each option sets its setting", .needsTLS)
    func options() throws {
        let tls = try #require(
            try configuration([
                "--tls", "--tls-verify", "off", "--tls-name", "example.com", "--tls-alpn", "h2", "--tls-min-version",
                "1.2",
                "--tls-max-version", "1.2", "--tls-ciphers", "ECDHE-RSA-AES128-GCM-SHA256", "--tls-groups", "X25519",
                "--resume", "25%",
            ]).tls
        )
        #expect(tls.settings.verification == .off)
        #expect(tls.serverName == "example.com")
        #expect(tls.settings.parameters.protocols == ["h2"])
        #expect(tls.settings.parameters.minVersion == .v12)
        #expect(tls.settings.parameters.maxVersion == .v12)
        #expect(tls.settings.parameters.ciphers == "ECDHE-RSA-AES128-GCM-SHA256")
        #expect(tls.settings.parameters.groups == "X25519")
        #expect(tls.resume == 25)
    }

    @Test(
        "an option without effect, or without the other one that it needs, is rejected",
        arguments: [
            (["--tls-verify", "off"], "--tls-verify has no effect without --tls: add --tls"),
            (["--resume", "50%"], "--resume has no effect without --tls: add --tls"),
            (["--tls", "--tls-verify", "ca"], "--tls-verify ca requires the authorities: add --tls-ca FILE"),
            (["--tls", "--tls-verify", "off", "--tls-ca", "x"], "--tls-ca has no effect with --tls-verify off"),
            (["--tls", "--tls-certificate", "x"], "needs both --tls-certificate FILE and --tls-key FILE"),
            (["--mode", "handshake", "--size", "5"], "--size has no effect with --mode handshake"),
            (["--tls", "--resume", "101%"], "write a percentage from 0% to 100%"),
        ]
    )
    func rejected(arguments: [String], message: String) throws {
        let error = #expect(throws: (any Error).self) { try configuration(arguments) }
        #expect(Monkey.message(for: try #require(error)).contains(message))
    }

    @Test("a condition on handshakes requires TLS", .needsTLS)
    func conditions() throws {
        let conditions = ["--assert", "handshake.p99<1s", "--assert", "resumed-handshakes>0"]
        _ = try configuration(["--tls", "--tls-verify", "off"] + conditions)
        let error = #expect(throws: (any Error).self) { try configuration(conditions) }
        #expect(Monkey.message(for: try #require(error)).contains("add --tls"))
    }
}
