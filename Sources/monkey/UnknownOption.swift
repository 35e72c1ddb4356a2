import ArgumentParser
import LoadBalancer

/// An option of the command line that the command does not have.
///
/// The parser reports a missing or invalid positional argument before an unknown option, although a misspelled option
/// is often the cause: its value counts as an argument.
struct UnknownOption {
    /// The option as written, without its value.
    let name: String
    let suggestion: String?

    /// Searches arguments for an option that the command does not have; fails if there is none.
    ///
    /// - Parameters:
    ///   - arguments: all arguments, the command first.
    ///   - commands: the commands.
    init?(in arguments: [String], of commands: [any ParsableCommand.Type]) {
        guard let name = arguments.first,
            let command = commands.first(where: { $0.configuration.commandName == name })
        else { return nil }
        let options = arguments.dropFirst().prefix { $0 != "--" }.filter(Self.isOption)
            .map { String($0.prefix { $0 != "=" }) }
        guard !options.isEmpty else { return nil }
        let known = Self.options(in: Monkey.helpMessage(for: command, includeHidden: true, columns: 1000))
        guard let unknown = options.first(where: { !known.contains($0) }) else { return nil }
        self.name = unknown
        suggestion = unknown.hasPrefix("--") ? nearest(to: unknown, among: known.filter { $0.hasPrefix("--") }) : nil
    }

    /// Whether an argument is an option, not a negative number or the `-` for standard input.
    private static func isOption(_ argument: String) -> Bool {
        argument.drop { $0 == "-" }.first?.isLetter == true && argument.hasPrefix("-")
    }

    /// Returns the options in a help text: the words with dashes at the beginnings of its lines, sorted.
    private static func options(in help: String) -> [String] {
        // Not in the text.
        var options: Set<String> = ["-V", "--help-hidden", "--experimental-dump-help"]
        for line in help.split(separator: "\n") {
            options.formUnion(line.split { " ,/".contains($0) }.prefix { $0.hasPrefix("-") }.map(String.init))
        }
        return options.sorted()
    }

    /// The message, in the words of the parser.
    var message: String {
        "Unknown option '\(name)'" + (suggestion.map { ". Did you mean '\($0)'?" } ?? "")
    }
}
