/// Collects what is wrong while a file is read, so that all of it can be told at once.
struct Problems {
    private(set) var told: [Problem] = []
    private(set) var untold = 0
    private(set) var hasErrors = false
    private var path = ""
    private var known: Set<Place> = []

    /// In Unicode scalars.
    private static let longestText = 600

    private struct Place: Hashable {
        var position: Position
        var text: String
    }

    /// Reads the value of a key.
    mutating func within<Value>(_ name: String, _ body: (inout Problems) -> Value) -> Value {
        within(path: path.isEmpty ? Self.step(name) : "\(path).\(Self.step(name))", body)
    }

    /// Reads an element of a list.
    mutating func within<Value>(_ index: Int, _ body: (inout Problems) -> Value) -> Value {
        within(path: "\(path)[\(index)]", body)
    }

    private mutating func within<Value>(path inner: String, _ body: (inout Problems) -> Value) -> Value {
        let outer = path
        path = inner
        defer { path = outer }
        return body(&self)
    }

    /// A key as a path shows it: as it is, if that can be told from what stands around it.
    private static func step(_ name: String) -> String {
        isName(name) ? name : quoted(name)
    }

    mutating func error(at position: Position, _ text: String) {
        add(.error, at: position, text)
    }

    mutating func warning(at position: Position, _ text: String) {
        add(.warning, at: position, text)
    }

    /// What is used several times by an alias is wrong once.
    private mutating func add(_ severity: Problem.Severity, at position: Position, _ text: String) {
        if severity == .error { hasErrors = true }
        let problem = Problem(severity, at: position, path: path, onOneLine(text, longest: Self.longestText))
        guard told.count < ConfigurationFile.mostProblems else {
            untold += 1
            return
        }
        guard known.insert(Place(position: problem.position, text: problem.text)).inserted else { return }
        told.append(problem)
    }

    /// In the order of the lines.
    var sorted: [Problem] {
        told.enumerated()
            .sorted { ($0.element.position, $0.offset) < ($1.element.position, $1.offset) }
            .map(\.element)
    }
}

/// Puts what somebody wrote between quotes.
func quoted(_ text: String) -> String {
    "'\(onOneLine(text, longest: 60))'"
}

/// A text of bearable length without what could break a line or forge one.
private func onOneLine(_ text: String, longest: Int) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(longest) {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .format, .privateUse:
            shown += "\\u{\(String(scalar.value, radix: 16))}"
        default: shown.unicodeScalars.append(scalar)
        }
    }
    return text.unicodeScalars.count > longest ? shown + "…" : shown
}
