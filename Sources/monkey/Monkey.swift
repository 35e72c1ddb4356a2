import ArgumentParser
import Dispatch
import Glibc
import ProcessSupport

/// The entry point.
@main
enum Program {
    /// Blocks the main thread until the command has ended. With an asynchronous `main` the runtime would end that
    /// thread, but the kernel would still list it, with root's credentials, after all other threads have dropped them.
    static func main() {
        StandardDescriptors.openMissing()
        if ControlSignals.areBlocked(for: ProcessArguments.all) { ControlSignals.block() }
        do throws(ThreadLimitError) {
            try ThreadLimit.check(ThreadLimit.runtimeThreads)
        } catch {
            // Without threads, the runtime would wait for them indefinitely.
            try? File.write(Array("Error: \(error)\n".utf8), to: STDERR_FILENO)
            exit(EXIT_FAILURE)
        }
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
            CheckCommand.self, InitCommand.self, StatusCommand.self, DrainCommand.self, DisableCommand.self,
            EnableCommand.self, WeightCommand.self, CloseCommand.self, ReloadCommand.self,
        ]
    )

    /// Parses the arguments and runs the command. Replaces the parser's own implementation, which prints the usage
    /// after an error: here an error is one line.
    static func main() async {
        let arguments = ProcessArguments.all
        if arguments.isEmpty { return print(guide) }
        var command: any ParsableCommand
        do {
            command = try await parse(arguments.map { $0 == "-V" ? "--version" : $0 })
        } catch {
            end(with: error, parsing: arguments)
        }
        do {
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            end(with: error)
        }
    }

    /// Parses the arguments as those of the command that they begin with, otherwise as those of the root, whose errors and
    /// help name both. The root's parser creates the options of the command twice more, which in a debug build is half of
    /// the time until the command runs.
    private static func parse(_ arguments: [String]) async throws -> any ParsableCommand {
        if let command = configuration.subcommands.first(where: { $0.configuration.commandName == arguments[0] }),
            let parsed = try? command.parseAsRoot(Array(arguments.dropFirst()))
        {
            return parsed
        }
        return try await asyncParseAsRoot(arguments)
    }

    /// The output without arguments.
    static let guide = """
        Monkey D. TCP \(Version.current): a TCP proxy, load balancer, load tester and echo server.

        Forward a port to a built-in echo server, and send it something:
          monkey proxy 127.0.0.1:8080 echo
          echo hello | nc -N 127.0.0.1 8080

        Write a configuration for a service (tcp, postgres, redis, http, tls), and run it:
          monkey init postgres && monkey run monkey.yaml

        Measure a service: 1,000 connections and requests per second for 10 seconds:
          monkey load 127.0.0.1:8080 --rate 1000/s --duration 10s

        All commands: monkey --help. The options of one: monkey help proxy.
        """

    /// - Parameter arguments: the arguments whose parsing has failed; empty if the command has failed.
    private static func end(with error: any Error, parsing arguments: [String] = []) -> Never {
        let code = exitCode(for: error, parsing: arguments)
        if code == .success { exit(withError: error) }
        if let line = errorLine(for: error, parsing: arguments) {
            let bytes = Array("\(line)\n".utf8)
            _ = write(STDERR_FILENO, bytes, bytes.count)
        }
        Glibc.exit(code.rawValue)
    }

    /// Returns the exit code: an error in the arguments is a usage error, of whatever type it is.
    ///
    /// - Parameter arguments: the arguments whose parsing has failed; empty if the command has failed.
    static func exitCode(for error: any Error, parsing arguments: [String]) -> ExitCode {
        let code = exitCode(for: error)
        return code == .failure && !arguments.isEmpty ? .validationFailure : code
    }

    /// Returns the error message for the terminal; nil if there is nothing to print.
    ///
    /// - Parameter arguments: the arguments whose parsing has failed; empty if the command has failed.
    static func errorLine(for error: any Error, parsing arguments: [String] = []) -> String? {
        if let unknown = UnknownOption(in: arguments, of: configuration.subcommands) {
            return "Error: \(unknown.message)"
        }
        let message = message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
        return message.isEmpty ? nil : "Error: \(message)"
    }
}
