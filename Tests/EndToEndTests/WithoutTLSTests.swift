import Foundation
import Support
import Testing

/// The executable of a build with `--disable-default-traits`.
@Suite("Build without a TLS library", .lacksTLS, .ownThreads, .timeLimit(.minutes(2)))
struct WithoutTLSTests {
    private let reason = "TLS is not available: this program was built without the package trait TLS"
    private let addresses = ["127.0.0.1:0", "127.0.0.1:1", "--admin", "off"]

    @Test(
        "options of proxies for TLS are errors that say how to get it",
        arguments: [
            ["--tls-self-signed", "localhost"], ["--server-tls"], ["--server-tls", "--server-tls-verify", "off"],
        ]
    )
    func proxies(options: [String]) async throws {
        try await runMonkey(["proxy"] + addresses + options).expectFailure(naming: reason)
        try await runMonkey(["balance"] + addresses + options).expectFailure(naming: reason)
    }

    @Test("options of checks and of the load tester for TLS are errors, too")
    func otherCommands() async throws {
        let check = ["--check", "tcp", "--check-tls", "on"]
        try await runMonkey(["balance"] + addresses + check).expectFailure(naming: reason)
        let load = ["load", "127.0.0.1:1", "--tls", "--tls-verify", "off"]
        try await runMonkey(load).expectFailure(code: 2, naming: reason)
    }

    @Test(
        "settings of a file for TLS are errors at their place, before a listener is opened",
        arguments: [
            ("tls: {certificates: [{certificate: a.pem, key: a.pem}]}", "", "listeners.l.tls"),
            ("", "tls: {verify: off}", "pools.p.tls"), ("", "check: {type: tcp, tls: on}", "pools.p.check.tls"),
            ("", "check: {type: tcp, tls: {verify: off}}", "pools.p.check.tls"),
        ]
    )
    func files(listener: String, pool: String, place: String) async throws {
        let text = """
            listeners: {l: {listen: "127.0.0.1:0", pool: p, \(listener)}}
            pools: {p: {servers: ["127.0.0.1:1"], \(pool)}}
            """
        try await withScratchFolder { folder in
            let path = "\(folder)/monkey.yaml"
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            try "".write(toFile: "\(folder)/a.pem", atomically: false, encoding: .utf8)
            for command in ["check", "run"] {
                let result = try await runMonkey([command, path])
                #expect(result.exit == .code(1))
                #expect(result.output == [])
                #expect(
                    result.errors.count == 1 && result.errors[0].contains("\(place): \(reason)"),
                    "\(result.errors)"
                )
            }
        }
    }
}
