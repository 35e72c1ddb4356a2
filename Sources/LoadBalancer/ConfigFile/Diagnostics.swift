import ValueFormats

/// Collector of errors and warnings, so that all of them are reported together.
struct Diagnostics {
    private(set) var reported: [Diagnostic] = []
    private(set) var suppressed = 0
    private(set) var hasErrors = false
    /// The included file that is being read; nil while it is the main one.
    var file: IncludedFile?
    private var path = ""
    private var known: Set<Place> = []
    /// Positions of values that were rejected.
    private var rejected: Set<SourceLocation> = []

    /// In Unicode scalars.
    private static let maxTextLength = 600
    /// Number of problems that are counted without being reported, before reading ends.
    static let maxSuppressed = 1000

    private struct Place: Hashable {
        var location: SourceLocation
        var text: String
    }

    /// Runs the body with the name of a key appended to the path.
    mutating func within<Value>(_ name: String, _ body: (inout Diagnostics) -> Value) -> Value {
        within(path: path.isEmpty ? Self.step(name) : "\(path).\(Self.step(name))", body)
    }

    /// Runs the body with an empty path.
    mutating func withoutPath<Value>(_ body: (inout Diagnostics) -> Value) -> Value {
        within(path: "", body)
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

    /// - Parameter text: not evaluated once the limit of reported problems is reached: a suggestion takes time.
    mutating func error(at location: SourceLocation, _ text: @autoclosure () -> String) {
        hasErrors = true
        add(.error, at: location, text)
    }

    /// - Parameter text: not evaluated once the limit of reported problems is reached.
    mutating func warning(at location: SourceLocation, _ text: @autoclosure () -> String) {
        add(.warning, at: location, text)
    }

    /// Adds an error about a value that is then replaced by an empty one: further problems at its position are not
    /// reported.
    mutating func reject(at location: SourceLocation, _ text: @autoclosure () -> String) {
        error(at: location, text())
        rejected.insert(location)
    }

    /// Whether more problems were found than are counted: reading the rest of the file would not help its author.
    var isExhausted: Bool { suppressed >= Self.maxSuppressed }

    /// Adds a problem unless it was added before: a value with several aliases is read once for each of them.
    private mutating func add(
        _ severity: Diagnostic.Severity,
        at location: SourceLocation,
        _ text: () -> String
    ) {
        if rejected.contains(location) { return }
        guard reported.count < ConfigurationFile.maxProblems else {
            suppressed += 1
            return
        }
        var location = location
        location.file = location.file ?? file
        let diagnostic = Diagnostic(
            severity,
            at: location,
            path: path,
            onOneLine(text(), maxLength: Self.maxTextLength)
        )
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
    "'\(onOneLine(text, maxLength: 60))'"
}

/// Truncates a text and escapes the characters that could break or forge a line.
private func onOneLine(_ text: String, maxLength: Int) -> String {
    // Counting all scalars of a long text would take time.
    let start = text.unicodeScalars.prefix(maxLength)
    return String(start).onOneLine + (start.endIndex < text.unicodeScalars.endIndex ? "…" : "")
}
