/// A place in a file as editors count it: lines and columns from 1, a column for each Unicode scalar.
public struct Position: Hashable, Sendable, Comparable, CustomStringConvertible {
    public var line: Int
    public var column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    public static func < (left: Position, right: Position) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }

    /// `12:5`
    public var description: String { "\(line):\(column)" }
}

/// Something about a configuration file that its writer should know.
public struct Problem: Hashable, Sendable {
    public enum Severity: String, Sendable {
        /// The file cannot be used.
        case error
        /// The file can be used, but hardly does what was meant.
        case warning
    }

    public var severity: Severity
    public var position: Position
    /// The key, from the outermost: `pools.databases.servers[0].weight`; empty for the file as a whole.
    public var path: String
    /// What is wrong and how to mend it.
    public var text: String

    public init(_ severity: Severity, at position: Position, path: String, _ text: String) {
        self.severity = severity
        self.position = position
        self.path = path
        self.text = text
    }
}

extension Problem: CustomStringConvertible {
    /// `12:5: error: pools.databases.policy: …`, to which a caller puts the file's name and a colon.
    public var description: String {
        let subject = path.isEmpty ? "" : "\(path): "
        return "\(position): \(severity.rawValue): \(subject)\(text)"
    }
}

/// Why a configuration file cannot be used: all that is wrong with it, in the order of its lines.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// Warnings too; ``ConfigurationFile/mostProblems`` at most.
    public let problems: [Problem]
    /// How many more there are.
    public let untold: Int

    /// A line for each problem.
    public var description: String {
        let lines = problems.map(\.description) + (untold > 0 ? ["and \(untold) more"] : [])
        return lines.joined(separator: "\n")
    }
}
