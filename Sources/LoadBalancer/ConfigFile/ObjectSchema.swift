import ValueFormats

/// Schema of one group of keys, and the value parsed from it.
struct ObjectSchema<Entry: Sendable>: Sendable {
    /// Name of the group, as the end of "unknown key in": `a listener`.
    let name: String
    /// The value with all defaults.
    let empty: Entry
    let keys: [KeySchema<Entry>]

    /// Parses a group of keys. An invalid key keeps its default, so that the remaining keys can still be checked.
    func read(_ node: YAMLNode, into entry: inout Entry, _ diagnostics: inout Diagnostics) {
        guard case .mapping(let members) = node.content else {
            let names = choice(of: keys.map(\.name))
            diagnostics.error(at: node.location, "\(node.typeMismatch): must be a mapping with the keys \(names)")
            return
        }
        for member in members {
            if diagnostics.isExhausted { return }
            diagnostics.within(member.name) { diagnostics in
                guard let key = keys.first(where: { $0.name == member.name || $0.alias == member.name }) else {
                    let advice = advice(for: member.name, among: keys.map(\.name))
                    diagnostics.error(at: member.location, "unknown key in \(name): \(advice)")
                    return
                }
                if member.name == key.alias, members.contains(where: { $0.name == key.name }) {
                    diagnostics.error(at: member.location, "duplicate of \(key.name): remove one of the two keys")
                    return
                }
                key.read(member.value, &entry, &diagnostics)
            }
        }
        for key in keys where key.isRequired && !members.contains(where: { $0.name == key.name }) {
            diagnostics.error(at: node.location, "missing key \(key.name): add \(key.name): \(key.placeholder)")
        }
    }
}

/// Schema of one key: parser, documentation and comparison.
struct KeySchema<Entry: Sendable>: Sendable {
    let name: String
    /// Another accepted name of the key; nil if there is none.
    let alias: String?
    /// Name of the value kind in the documentation.
    let valueSchema: String
    /// Allowed values, in Markdown.
    let allowed: String
    /// Default, in Markdown.
    let standard: String
    let isRequired: Bool
    /// Description in Markdown, one or more sentences.
    let help: String
    let schema: JSONValue
    /// Example value of a required key.
    let placeholder: String
    let read: @Sendable (YAMLNode, inout Entry, inout Diagnostics) -> Void
    /// Whether two entries have the same value for this key.
    let isSame: @Sendable (Entry, Entry) -> Bool

    /// Creates a key for a setting.
    ///
    /// - Parameters:
    ///   - alias: another accepted name of the key.
    ///   - valueSchema: format of the value.
    init<Setting, Value: Equatable & Sendable>(
        _ setting: SettingDescriptor<Setting>,
        alias: String? = nil,
        _ path: any WritableKeyPath<Entry, Value> & Sendable,
        _ valueSchema: ValueSchema<Value>,
        in empty: Entry
    ) {
        let standard = setting.defaultText ?? valueSchema.write(empty[keyPath: path]).map { "`\($0)`" } ?? "none"
        self.init(setting, alias: alias, path, valueSchema, standard: standard)
    }

    /// Creates a required key for a setting.
    ///
    /// - Parameter placeholder: example value for the error message if the key is missing.
    init<Setting, Value: Equatable & Sendable>(
        required setting: SettingDescriptor<Setting>,
        _ path: any WritableKeyPath<Entry, Value> & Sendable,
        _ valueSchema: ValueSchema<Value>,
        placeholder: String
    ) {
        self.init(setting, path, valueSchema, standard: "required", placeholder: placeholder)
    }

    private init<Setting, Value: Equatable & Sendable>(
        _ setting: SettingDescriptor<Setting>,
        alias: String? = nil,
        _ path: any WritableKeyPath<Entry, Value> & Sendable,
        _ valueSchema: ValueSchema<Value>,
        standard: String,
        placeholder: String? = nil
    ) {
        name = setting.name
        self.alias = alias
        self.valueSchema = valueSchema.name
        allowed = setting.allowed ?? valueSchema.allowed ?? ""
        self.standard = standard
        isRequired = placeholder != nil
        help = setting.help
        schema = valueSchema.schema.orEnvironmentReference
        self.placeholder = placeholder ?? ""
        read = { node, entry, diagnostics in
            if let value = valueSchema.read(node, &diagnostics) { entry[keyPath: path] = value }
        }
        isSame = { $0[keyPath: path] == $1[keyPath: path] }
    }
}

extension ObjectSchema {
    /// JSON Schema of the group.
    var schema: JSONValue {
        var properties: JSONObject = [:]
        for key in keys {
            properties[key.name] = key.described
            if let alias = key.alias { properties[alias] = key.described }
        }
        var schema: JSONObject = [
            "type": .string("object"), "properties": .object(properties), "additionalProperties": .boolean(false),
        ]
        let required = keys.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { schema["required"] = .array(required) }
        return .object(schema)
    }

    /// Returns the names of the keys whose values differ between two entries.
    func keys(otherIn entry: Entry, than other: Entry) -> [String] {
        keys.filter { !$0.isSame(entry, other) }.map(\.name)
    }

    /// The group as a kind of value.
    var valueSchema: ValueSchema<Entry> {
        ValueSchema(name: "mapping", allowed: "see below", schema: schema, write: { _ in nil }) { node, diagnostics in
            var entry = empty
            read(node, into: &entry, &diagnostics)
            return entry
        }
    }

    /// Returns the kind of a mapping from names to groups of these keys.
    ///
    /// - Parameters:
    ///   - max: maximum number of groups; at least one is required.
    ///   - path: property of an entry that stores its name.
    func named(max: Int, _ path: any WritableKeyPath<Entry, String> & Sendable) -> ValueSchema<[Entry]> {
        ValueSchema(
            name: "mappings by name",
            allowed: "names of at most 64 letters, digits, `-`, `_` and `.`",
            schema: .object([
                "type": .string("object"), "additionalProperties": schema, "minProperties": .integer(1),
                "maxProperties": .integer(max),
                "propertyNames": .object(["pattern": .string("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]),
            ]),
            write: { _ in nil }
        ) { node, diagnostics in
            let expectation = "must map at least one name to the keys of \(self.name)"
            guard let members = node.members(max: max, of: "names", expectation, &diagnostics) else { return nil }
            return members.compactMap { member in
                if diagnostics.isExhausted { return nil }
                return diagnostics.within(member.name) { diagnostics in
                    if let problem = ConfigurationRules.invalidName(member.name) {
                        diagnostics.error(at: member.location, problem)
                    }
                    var entry = empty
                    entry[keyPath: path] = member.name
                    read(member.value, into: &entry, &diagnostics)
                    return entry
                }
            }
        }
    }
}

extension KeySchema {
    /// JSON Schema of the key with its description for editors.
    var described: JSONValue {
        guard case .object(var schema) = schema else { return schema }
        schema["description"] = .string("\(help) Default: \(standard.replacing("`", with: "")).")
        return .object(schema)
    }
}

let nameAdvice = "must be at most 64 letters, digits, -, _ and ., the first a letter or digit"

/// Returns whether a text is a valid name. Names appear in logs and metrics, so they are short and plain.
func isName(_ text: String) -> Bool {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }
    guard let first = text.utf8.first, isAlphanumeric(first), text.utf8.count <= 64 else { return false }
    return text.utf8.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
}
