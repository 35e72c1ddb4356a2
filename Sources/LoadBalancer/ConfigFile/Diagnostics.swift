import ValueFormats

/// Collector of errors and warnings, so that all of them are reported together.
struct Diagnostics {
    private(set) var reported: [Diagnostic] = []
    private(set) var suppressed = 0
    private(set) var hasErrors = false
    private var path = ""
    private var known: Set<Place> = []

    /// In Unicode scalars.
    private static let longestText = 600

    private struct Place: Hashable {
        var location: SourceLocation
        var text: String
    }

    /// Runs the body with the name of a key appended to the path.
    mutating func within<Value>(_ name: String, _ body: (inout Diagnostics) -> Value) -> Value {
        within(path: path.isEmpty ? Self.step(name) : "\(path).\(Self.step(name))", body)
    }

    /// Runs the body with the index of a list element appended to the path.
    mutating func within<Value>(_ index: Int, _ body: (inout Diagnostics) -> Value) -> Value {
        within(path: "\(path)[\(index)]", body)
    }

    private mutating func within<Value>(path inner: String, _ body: (inout Diagnostics) -> Value) -> Value {
        let outer = path
        path = inner
        defer { path = outer }
        return body(&self)
    }

    /// Returns a key as an element of a path; quoted if it is not a plain name.
    private static func step(_ name: String) -> String {
        isName(name) ? name : quoted(name)
    }

    mutating func error(at location: SourceLocation, _ text: String) {
        add(.error, at: location, text)
    }

    mutating func warning(at location: SourceLocation, _ text: String) {
        add(.warning, at: location, text)
    }

    /// Adds a problem unless it was added before: a value with several aliases is read once for each of them.
    private mutating func add(_ severity: Diagnostic.Severity, at location: SourceLocation, _ text: String) {
        if severity == .error { hasErrors = true }
        let diagnostic = Diagnostic(severity, at: location, path: path, onOneLine(text, longest: Self.longestText))
        guard reported.count < ConfigurationFile.mostProblems else {
            suppressed += 1
            return
        }
        guard known.insert(Place(location: diagnostic.location, text: diagnostic.text)).inserted else { return }
        reported.append(diagnostic)
    }

    /// The problems in the order of the lines.
    var sorted: [Diagnostic] {
        reported.enumerated()
            .sorted { ($0.element.location, $0.offset) < ($1.element.location, $1.offset) }
            .map(\.element)
    }
}

/// Quotes text from the file, truncated to 60 Unicode scalars.
func quoted(_ text: String) -> String {
    "'\(onOneLine(text, longest: 60))'"
}

/// Truncates a text and escapes the characters that could break or forge a line.
private func onOneLine(_ text: String, longest: Int) -> String {
    let scalars = text.unicodeScalars
    return String(scalars.prefix(longest)).onOneLine + (scalars.count > longest ? "…" : "")
}
