import Support
import Testing

@Suite("Command line help and errors", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct CommandLineTests {
    @Test("--help lists the commands, and each command's help lists its options")
    func help() async throws {
        let program = try await runMonkey(["--help"])
        #expect(program.exit == .code(0))
        let text = program.output.joined(separator: "\n")
        for command in ["proxy", "echo"] { #expect(text.contains("  \(command) ")) }

        let proxy = try await runMonkey(["proxy", "--help"])
        #expect(proxy.exit == .code(0))
        let options = [
            "admin", "threads", "grace", "drain-delay", "connect-timeout", "idle-timeout", "half-close-timeout",
            "lifetime", "tcp-user-timeout", "keepalive", "backlog", "source", "max-connections", "events", "summary",
            "log-level", "log-format",
        ]
        for option in options {
            #expect(
                proxy.output.contains {
                    $0.hasPrefix("  --\(option) ") || $0.hasPrefix("  --\(option),") || $0 == "  --\(option)"
                },
                "\(option)"
            )
        }
        #expect(proxy.output.joined(separator: "\n").contains("127.0.0.1:8080"))
        let echo = try await runMonkey(["echo", "--help"])
        #expect(echo.exit == .code(0))
        #expect(echo.output.joined(separator: "\n").contains("127.0.0.1:8081"))
    }

    @Test("--version prints a version")
    func version() async throws {
        let result = try await runMonkey(["--version"])
        #expect(result.exit == .code(0))
        #expect(result.output.count == 1)
        #expect(result.output.first?.wholeMatch(of: /(monkey )?\d+\.\d+\.\d+(-[a-z0-9.]+)?/) != nil)
    }

    @Test("A completion script exists for each shell", arguments: ["bash", "zsh", "fish"])
    func completion(shell: String) async throws {
        let result = try await runMonkey(["--generate-completion-script", shell])
        #expect(result.exit == .code(0))
        let script = result.output.joined(separator: "\n")
        for word in ["proxy", "echo", "connect-timeout"] { #expect(script.contains(word)) }
        guard shell == "bash" else { return }
        let check = try await runToEnd(["bash", "-n", "-c", script])
        #expect(check.exit == .code(0), "\(check.errors)")
    }

    /// The tests of the command line parse many more invalid values, without a process for each.
    @Test(
        "An invalid value is an error that names it, with the usage exit code",
        arguments: [
            (["proxy", "nonsense", "127.0.0.1:1", "--admin", "off"], "'nonsense'"),
            (["proxy", "127.0.0.1:0", "127.0.0.1:99999", "--admin", "off"], "'127.0.0.1:99999'"),
            (["proxy", "127.0.0.1:0", "127.0.0.1:1", "--admin", ""], "--admin"), (["echo", "a b:80"], "'a b:80'"),
            (["proxy", "127.0.0.1:0", "127.0.0.1:1", "--admin", "off", "--grace=-1s"], "--grace"),
        ]
    )
    func badValue(arguments: [String], named text: String) async throws {
        try await runMonkey(arguments).expectFailure(code: 64, naming: text)
    }

    @Test("A Unix path that is too long is an error that names it")
    func longPath() async throws {
        let path = "/tmp/" + String(repeating: "x", count: 200)
        try await runMonkey(["proxy", "unix:\(path)", "127.0.0.1:1", "--admin", "off"])
            .expectFailure(code: 64, naming: path)
        try await runMonkey(["proxy", "127.0.0.1:0", "unix:\(path)", "--admin", "off"])
            .expectFailure(code: 64, naming: path)
    }

    @Test(
        "An unknown option, a third address and an unknown command are errors",
        arguments: [
            ["proxy", "--no-such-option"], ["proxy", "127.0.0.1:0", "127.0.0.1:1", "127.0.0.1:2"], ["no-such-command"],
        ]
    )
    func unknown(arguments: [String]) async throws {
        try await runMonkey(arguments).expectFailure(code: 64, naming: arguments.last!)
    }
}
