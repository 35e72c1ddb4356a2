/// A file that another one includes.
package struct IncludedFile: Hashable, Sendable {
    /// Number in the order of reading, from 1.
    package var number: Int
    package var path: String
}

/// Position in a file: line and column start at 1, and a column is a Unicode scalar.
package struct SourceLocation: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var line: Int
    package var column: Int
    /// nil in the main file.
    package var file: IncludedFile?

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (left: SourceLocation, right: SourceLocation) -> Bool {
        (left.file?.number ?? 0, left.line, left.column) < (right.file?.number ?? 0, right.line, right.column)
    }

    /// Returns the line for a message about another position: `on line 12`, with the file if it is another one.
    func place(seenFrom other: SourceLocation) -> String {
        file == other.file ? "on line \(line)" : "on line \(line) of \(file?.path ?? "the main file")"
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
    /// `12:5: error: pools.databases.policy: …`, after the name of the file if it is an included one.
    package var description: String {
        let subject = path.isEmpty ? "" : "\(path): "
        let file = location.file.map { "\($0.path):" } ?? ""
        return "\(file)\(location): \(severity.rawValue): \(subject)\(text)"
    }

    /// Returns the description, after the name of the file.
    ///
    /// - Parameter name: name of the main file.
    package func line(in name: String) -> String {
        location.file == nil ? "\(name):\(self)" : description
    }
}
