import ArgumentParser
import Testing

@testable import monkey

@Suite("monkey check")
struct CheckCommandTests {
    private func check(_ text: String) -> ConfigurationCheck {
        ConfigurationCheck(of: Array(text.utf8), named: "monkey.yaml")
    }

    @Test("a valid file is summarized")
    func validFile() {
        let result = check(
            """
            listeners:
              a: {listen: "127.0.0.1:1", pool: p}
              b: {listen: "127.0.0.1:2", pool: p}
            pools:
              p: {servers: ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]}
            """
        )
        #expect(result.passed)
        #expect(result.diagnostics == [])
        #expect(result.summary == "monkey.yaml is valid: 2 listeners, 1 pool, 3 servers")
    }

    @Test("each error begins with the name of the file")
    func errors() {
        let result = check("threads: 0\nlisteners: {a: {listen: \"127.0.0.1:1\", pool: p}}\nport: 5\n")
        #expect(!result.passed)
        #expect(result.diagnostics.count == 3)
        #expect(result.diagnostics.allSatisfy { $0.hasPrefix("monkey.yaml:") })
        #expect(result.diagnostics.first?.hasPrefix("monkey.yaml:1:1: error: ") == true)
        #expect(result.diagnostics.last?.hasPrefix("monkey.yaml:3:1: error: port: ") == true)
    }

    @Test("a warning does not fail the check")
    func warnings() {
        let result = check(
            """
            listeners: {a: {listen: "127.0.0.1:1", pool: p}}
            pools:
              p: {servers: ["10.0.0.1:1"]}
              q: {servers: ["10.0.0.1:1"]}
            """
        )
        #expect(result.passed)
        #expect(
            result.diagnostics == [
                "monkey.yaml:4:3: warning: pools.q: no listener uses this pool: refer to it in a listener, or remove it"
            ]
        )
    }

    @Test("a short check interval alone causes no warning")
    func shortInterval() {
        let result = check(
            """
            listeners: {a: {listen: "127.0.0.1:1", pool: p}}
            pools: {p: {servers: ["10.0.0.1:1"], check: {type: tcp, interval: 200ms}}}
            """
        )
        #expect(result.diagnostics == [])
    }

    @Test(
        "a token file that others can read or write causes a warning",
        arguments: [
            (0o600, nil), (0o400, nil), (0o640, nil), (0o604, "read"), (0o644, "read"), (0o602, "write"),
            (0o620, "write"), (0o666, "write"), (0o100600, nil),
        ] as [(UInt32, String?)]
    )
    func tokenFile(mode: UInt32, access: String?) {
        let warning = ProxyService.tokenWarning("/t", mode: mode)
        #expect((warning == nil) == (access == nil))
        if let access { #expect(warning?.contains("other users can \(access) it") == true) }
    }

    @Test("errors above the limit are counted")
    func limit() {
        let keys = (0..<150).map { "key\($0): 1\n" }.joined()
        let result = check(keys)
        #expect(result.diagnostics.count == 101)
        #expect(result.diagnostics.last == "monkey.yaml: and 52 more")
    }

    @Test(
        "the command requires one file or --schema",
        arguments: [["check"], ["check", "a.yaml", "--schema"], ["check", "a.yaml", "b.yaml"]]
    )
    func arguments(arguments: [String]) {
        #expect(throws: (any Error).self) { try Monkey.parseAsRoot(arguments) }
    }
}
