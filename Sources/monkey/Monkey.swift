import ArgumentParser
import Dispatch
import Glibc

/// The entry point.
@main
enum Program {
    /// Blocks the main thread until the command has ended. With an asynchronous `main` the runtime would end that
    /// thread, but the kernel would still list it, with root's credentials, after all other threads have dropped them.
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
            Try it with the built-in echo server:
              monkey proxy 127.0.0.1:8080 echo

            Forward to a server, with a line for each connection event:
              monkey proxy 127.0.0.1:8080 example.com:80 --events

            Print a shell completion script (bash, zsh, fish):
              monkey --generate-completion-script bash
            """,
        version: Version.current,
        subcommands: [
            ProxyCommand.self, BalanceCommand.self, RunCommand.self, EchoCommand.self, LoadCommand.self,
            CheckCommand.self,
        ]
    )

    /// Parses the arguments and runs the command. Replaces the parser's own implementation, which prints the usage
    /// after an error: here an error is one line.
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

    /// Returns the error message for the terminal; nil if there is nothing to print.
    static func errorLine(for error: any Error) -> String? {
        let message = message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
        return message.isEmpty ? nil : "Error: \(message)"
    }
}
