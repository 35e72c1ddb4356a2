/// YAML node with its position and with aliases resolved; its value is not yet interpreted.
struct YAMLNode: Sendable {
    enum Content: Sendable {
        case scalar(Scalar)
        case list([YAMLNode])
        case mapping([Member])
    }

    struct Scalar: Sendable {
        var text: String
        /// Whether it is unquoted, and can therefore be a number, boolean or null.
        var isPlain: Bool
        /// Whether the text contains the value of an environment variable.
        var isExpanded = false

        /// Whether it can be a number or a boolean. The text of a variable can be, in quotes too.
        var isUntyped: Bool { isPlain || isExpanded }
    }

    struct Member: Sendable {
        var name: String
        /// Position of the name.
        var location: SourceLocation
        var value: YAMLNode
    }

    var location: SourceLocation
    let content: Content
    /// Positions of the keys of a long mapping; nil for a short one, which is searched.
    private let index: [String: Int]?
    /// Number of nodes in this tree, with each alias counted as the nodes that it expands to.
    var size: Int

    init(_ content: Content, at location: SourceLocation) {
        self.content = content
        self.location = location
        if case .mapping(let members) = content, members.count > Self.maxSearched {
            index = Dictionary(members.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        } else {
            index = nil
        }
        size =
            switch content {
            case .scalar: 1
            case .list(let items): items.reduce(1) { $0 + $1.size }
            case .mapping(let members): members.reduce(1) { $0 + $1.value.size }
            }
    }

    /// Returns the value of a key; nil if there is none.
    subscript(name: String) -> YAMLNode? {
        guard case .mapping(let members) = content else { return nil }
        if let index { return index[name].map { members[$0].value } }
        return members.first { $0.name == name }?.value
    }

    /// Number of keys up to which a mapping is searched.
    private static let maxSearched = 16

    /// Returns the element of a list; nil if there is none.
    subscript(index: Int) -> YAMLNode? {
        guard case .list(let items) = content, items.indices.contains(index) else { return nil }
        return items[index]
    }

    /// Type of a plain scalar in YAML (YAML 1.2.2, 10.3.2, core schema).
    enum ScalarType {
        case nothing, boolean, number, text
    }

    /// nil for a list or mapping.
    var scalarType: ScalarType? {
        guard case .scalar(let scalar) = content else { return nil }
        guard scalar.isPlain, !scalar.isExpanded else { return .text }
        switch scalar.text {
        case "", "~", "null", "Null", "NULL": return .nothing
        case "true", "True", "TRUE", "false", "False", "FALSE": return .boolean
        default:
            let isNumber = scalar.text.contains { $0.isASCII && $0.isNumber } && Double(scalar.text) != nil
            return isNumber ? .number : .text
        }
    }

    /// Statement that the node is not of the expected kind, as the beginning of a sentence.
    var typeMismatch: String {
        switch content {
        case .list: "invalid list"
        case .mapping: "invalid mapping"
        case .scalar(let scalar): scalarType == .nothing ? "missing value" : "invalid value \(quoted(scalar.text))"
        }
    }
}

extension YAMLNode {
    /// Returns the members of a mapping; adds an error and returns nil if there are none or too many, or if the node is
    /// something else.
    ///
    /// - Parameters:
    ///   - noun: the members, in the plural.
    ///   - expectation: what the node must be, for the error.
    func members(max: Int, of noun: String, _ expectation: String, _ diagnostics: inout Diagnostics) -> [Member]? {
        guard case .mapping(let members) = content, !members.isEmpty else {
            diagnostics.error(at: location, "\(typeMismatch): \(expectation)")
            return nil
        }
        guard let problem = ConfigurationRules.tooMany(noun, members.count, max: max) else { return members }
        diagnostics.error(at: location, problem)
        return nil
    }

    /// Returns the elements of a list; adds an error and returns nil if there are too few or too many, or if the node is
    /// something else.
    ///
    /// - Parameters:
    ///   - counts: allowed numbers of elements.
    ///   - noun: the elements, in the plural.
    ///   - expectation: what the node must be, for the error.
    func items(
        _ counts: ClosedRange<Int>,
        of noun: String,
        _ expectation: String,
        _ diagnostics: inout Diagnostics
    ) -> [YAMLNode]? {
        guard case .list(let items) = content, items.count >= counts.lowerBound else {
            diagnostics.error(at: location, "\(typeMismatch): \(expectation)")
            return nil
        }
        guard let problem = ConfigurationRules.tooMany(noun, items.count, max: counts.upperBound) else { return items }
        diagnostics.error(at: location, problem)
        return nil
    }
}
