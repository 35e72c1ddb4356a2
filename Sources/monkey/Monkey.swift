import ArgumentParser
import Dispatch
import Glibc

/// Where the program begins.
@main
enum Program {
    /// Waits on the first thread for all the others. An asynchronous `main` would end that thread but for the kernel's view of
    /// it, and then it keeps root's rights where all others give them up.
    static func main() {
        let isOver = DispatchSemaphore(value: 0)
        Task.detached {
            await Monkey.main()
            isOver.signal()
        }
        isOver.wait()
    }
}

struct Monkey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "monkey",
        abstract: "A TCP proxy, load balancer, load tester and echo server for Linux.",
        discussion: """
            See it at work, with an echo server inside:
              monkey proxy 127.0.0.1:8080 echo

            Stand before a server, with a line for each thing that happens:
              monkey proxy 127.0.0.1:8080 example.com:80 --events

            Let your shell complete the rest (bash, zsh, fish):
              monkey --generate-completion-script bash
            """,
        version: Version.current,
        subcommands: [
            ProxyCommand.self, BalanceCommand.self, RunCommand.self, EchoCommand.self, LoadCommand.self,
            CheckCommand.self,
        ]
    )

    /// Replaces the parser's own, which prints the usage under an error: here an error is one line.
    static func main() async {
        do {
            var command = try await asyncParseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            end(with: error)
        }
    }

    private static func end(with error: any Error) -> Never {
        let code = exitCode(for: error)
        if code == .success { exit(withError: error) }
        if let line = errorLine(for: error) {
            let bytes = Array("\(line)\n".utf8)
            _ = write(STDERR_FILENO, bytes, bytes.count)
        }
        Glibc.exit(code.rawValue)
    }

    /// What a person reads when something is wrong; nil if nothing is left to say.
    static func errorLine(for error: any Error) -> String? {
        let message = message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
        return message.isEmpty ? nil : "Error: \(message)"
    }
}
