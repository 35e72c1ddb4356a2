/// Why a configuration file cannot be used: all errors and warnings, in the order of the lines.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// Errors and warnings, at most ``ConfigurationFile/maxProblems``.
    package let diagnostics: [Diagnostic]
    /// Number of further problems that are not included.
    package let suppressed: Int

    /// One line per problem, such as `12:5: error: pools.databases.policy: ...` with the line and the column.
    public var lines: [String] {
        diagnostics.map(\.description) + (suppressed > 0 ? ["and \(suppressed) more"] : [])
    }

    /// One line per problem, with the name of the file that it is in.
    package func lines(in name: String) -> [String] {
        diagnostics.map { $0.line(in: name) } + (suppressed > 0 ? ["\(name): and \(suppressed) more"] : [])
    }

    /// The ``lines``, separated by line feeds.
    public var description: String { lines.joined(separator: "\n") }
}
