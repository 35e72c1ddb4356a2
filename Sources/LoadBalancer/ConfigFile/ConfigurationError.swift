/// Why a configuration file cannot be used: all errors and warnings, in the order of the lines.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// Errors and warnings, at most ``ConfigurationFile/mostProblems``.
    package let diagnostics: [Diagnostic]
    /// Number of further problems that are not included.
    package let suppressed: Int

    /// One line per problem, such as `12:5: error: pools.databases.policy: ...` with the line and the column.
    public var lines: [String] {
        diagnostics.map(\.description) + (suppressed > 0 ? ["and \(suppressed) more"] : [])
    }

    /// The ``lines``, separated by line feeds.
    public var description: String { lines.joined(separator: "\n") }
}
