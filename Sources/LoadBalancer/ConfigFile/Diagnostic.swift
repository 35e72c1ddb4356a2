/// Position in a file: line and column start at 1, and a column is a Unicode scalar.
package struct SourceLocation: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (left: SourceLocation, right: SourceLocation) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }

    /// `12:5`
    package var description: String { "\(line):\(column)" }
}

/// Error or warning about a configuration file.
package struct Diagnostic: Hashable, Sendable {
    package enum Severity: String, Sendable {
        /// The file cannot be used.
        case error
        /// The file can be used but probably does not have the intended effect.
        case warning
    }

    package var severity: Severity
    package var location: SourceLocation
    /// Path of the key from the outermost: `pools.databases.servers[0].weight`; empty for the whole file.
    package var path: String
    /// What is wrong and how to fix it.
    package var text: String

    package init(_ severity: Severity, at location: SourceLocation, path: String, _ text: String) {
        self.severity = severity
        self.location = location
        self.path = path
        self.text = text
    }
}

extension Diagnostic: CustomStringConvertible {
    /// `12:5: error: pools.databases.policy: …`; the caller prepends the file name and a colon.
    package var description: String {
        let subject = path.isEmpty ? "" : "\(path): "
        return "\(location): \(severity.rawValue): \(subject)\(text)"
    }
}
