import ArgumentParser
import Glibc
import LoadBalancer

/// The `monkey check` command: validates a configuration file.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validate a configuration file.",
        discussion: """
            Reports all errors, each with its line and how to fix it. Opens no socket and, without --resolve, resolves \
            no name, so it can be run anywhere.

            Examples:
              monkey check monkey.yaml
              monkey check monkey.yaml --resolve
              monkey check --schema > monkey.schema.json
            """
    )

    @Argument(CommandLineSettings.file, named: "file")
    var file: String?

    @Flag(CommandLineSettings.schema)
    var schema: Bool

    @Flag(CommandLineSettings.resolve)
    var resolve: Bool

    func validate() throws {
        if file == nil, !schema { throw ValidationError("Missing expected argument '<file>': write the file's name") }
        if file != nil, schema { throw ValidationError("--schema excludes a file: remove one of the two") }
        if resolve, schema { throw ValidationError("--schema excludes --resolve: remove one of the two") }
    }

    func run() async throws {
        guard let file else {
            return try File.write(Array(ConfigurationFile.schema.utf8), to: STDOUT_FILENO)
        }
        let bytes =
            try file == "-"
            ? File.readStandardInput(maxBytes: ConfigurationFile.maxBytes)
            : File.read(file, maxBytes: ConfigurationFile.maxBytes)
        let name = file == "-" ? "standard input" : file
        var result = ConfigurationCheck(
            of: bytes,
            named: name,
            in: ConfigurationFile.Context(of: file == "-" ? nil : file)
        )
        if resolve { await result.resolveNames(in: name) }
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
    private(set) var diagnostics: [String]
    private(set) var passed: Bool
    /// The last line of the output; empty if the file is invalid.
    private(set) var summary: String
    /// nil if the file is invalid.
    private let file: ConfigurationFile?

    init(of bytes: [UInt8], named name: String, in context: ConfigurationFile.Context = ConfigurationFile.Context()) {
        do {
            let file = try ConfigurationFile(parsing: bytes, in: context)
            self.file = file
            diagnostics = file.warnings.map { $0.line(in: name) }
            passed = true
            let servers = file.pools.map(\.servers.count).reduce(0, +)
            summary =
                "\(name) is valid: \(count(file.listeners.count, "listener")), \(count(file.pools.count, "pool")), "
                + count(servers, "server")
        } catch {
            diagnostics = error.lines(in: name)
            passed = false
            summary = ""
            file = nil
        }
    }

    /// Resolves all names in a valid file, and adds an error for each that has no address.
    mutating func resolveNames(in name: String) async {
        guard let (names, failures) = await file?.resolveNames() else { return }
        diagnostics += failures.map { $0.line(in: name) }
        if failures.isEmpty {
            summary += "; \(count(names, "name")) resolved"
        } else {
            passed = false
            summary = ""
        }
    }
}

private func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
}
