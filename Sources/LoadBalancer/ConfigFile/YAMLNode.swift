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
    }

    struct Member: Sendable {
        var name: String
        /// Position of the name.
        var location: SourceLocation
        var value: YAMLNode
    }

    var location: SourceLocation
    var content: Content
    /// Number of nodes in this tree, with each alias counted as the nodes that it expands to.
    var size: Int

    init(_ content: Content, at location: SourceLocation) {
        self.content = content
        self.location = location
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
        return members.first { $0.name == name }?.value
    }

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
        guard scalar.isPlain else { return .text }
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
