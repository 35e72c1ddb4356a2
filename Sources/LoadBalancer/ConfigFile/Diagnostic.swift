/// Position in a file: line and column start at 1, and a column is a Unicode scalar.
public struct SourceLocation: Hashable, Sendable, Comparable, CustomStringConvertible {
    public var line: Int
    public var column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    public static func < (left: SourceLocation, right: SourceLocation) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }

    /// `12:5`
    public var description: String { "\(line):\(column)" }
}

/// Error or warning about a configuration file.
public struct Diagnostic: Hashable, Sendable {
    public enum Severity: String, Sendable {
        /// The file cannot be used.
        case error
        /// The file can be used but probably does not have the intended effect.
        case warning
    }

    public var severity: Severity
    public var location: SourceLocation
    /// Path of the key from the outermost: `pools.databases.servers[0].weight`; empty for the whole file.
    public var path: String
    /// What is wrong and how to fix it.
    public var text: String

    public init(_ severity: Severity, at location: SourceLocation, path: String, _ text: String) {
        self.severity = severity
        self.location = location
        self.path = path
        self.text = text
    }
}

extension Diagnostic: CustomStringConvertible {
    /// `12:5: error: pools.databases.policy: …`; the caller prepends the file name and a colon.
    public var description: String {
        let subject = path.isEmpty ? "" : "\(path): "
        return "\(location): \(severity.rawValue): \(subject)\(text)"
    }
}

/// Why a configuration file cannot be used: all errors and warnings, in the order of the lines.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// Errors and warnings, at most ``ConfigurationFile/mostProblems``.
    public let diagnostics: [Diagnostic]
    /// Number of further problems that are not included.
    public let suppressed: Int

    /// One line per problem.
    public var description: String {
        let lines = diagnostics.map(\.description) + (suppressed > 0 ? ["and \(suppressed) more"] : [])
        return lines.joined(separator: "\n")
    }
}
