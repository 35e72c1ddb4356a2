import ArgumentParser
import Glibc
import LoadBalancer

/// The `monkey check` command: validates a configuration file.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validate a configuration file.",
        discussion: """
            Reports all errors, each with its line and how to fix it. Opens no socket and resolves no name, so it can \
            be run anywhere.

            Examples:
              monkey check monkey.yaml
              monkey check --schema > monkey.schema.json
            """
    )

    @Argument(help: ArgumentHelp("Configuration file, or - for standard input.", valueName: "file"))
    var file: String?

    @Flag(help: "Print a JSON Schema of configuration files, for editors, instead.")
    var schema = false

    func validate() throws {
        if file == nil, !schema { throw ValidationError("Missing expected argument '<file>': write the file's name") }
        if file != nil, schema { throw ValidationError("--schema excludes a file: remove one of the two") }
    }

    func run() throws {
        guard let file else {
            return try File.write(Array(ConfigurationFile.schema.utf8), to: STDOUT_FILENO)
        }
        let bytes = try File.read(file == "-" ? "/dev/stdin" : file, longest: ConfigurationFile.longest)
        let result = ConfigurationCheck(of: bytes, named: file == "-" ? "standard input" : file)
        // The diagnostics are the requested output, but tools expect errors on standard error.
        try File.write(Self.text(result.diagnostics), to: STDERR_FILENO)
        guard result.passed else { throw ExitCode(1) }
        try File.write(Self.text([result.summary]), to: STDOUT_FILENO)
    }

    private static func text(_ lines: [String]) -> [UInt8] {
        Array(lines.map { $0 + "\n" }.joined().utf8)
    }
}

/// The result of validating a configuration file.
struct ConfigurationCheck {
    /// One line for each diagnostic, in the format of compilers, so that editors can jump to it.
    let diagnostics: [String]
    let passed: Bool
    /// The last line of the output; empty if the file is invalid.
    let summary: String

    init(of bytes: [UInt8], named name: String) {
        do {
            let file = try ConfigurationFile(parsing: bytes)
            diagnostics = file.warnings.map { "\(name):\($0)" }
            passed = true
            let servers = file.pools.map(\.servers.count).reduce(0, +)
            summary =
                "\(name) is valid: \(count(file.listeners.count, "listener")), \(count(file.pools.count, "pool")), "
                + count(servers, "server")
        } catch {
            let more = error.suppressed > 0 ? ["\(name): and \(error.suppressed) more"] : []
            diagnostics = error.diagnostics.map { "\(name):\($0)" } + more
            passed = false
            summary = ""
        }
    }
}

private func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}
