/// The keys that may stand together in one group, and the value that they make.
struct Section<Entry: Sendable>: Sendable {
    /// What the group is, as the end of "a key of": `a listener`.
    let name: String
    /// The value without any key, with the defaults.
    let empty: Entry
    let keys: [Key<Entry>]

    /// Reads a group of keys. What is wrong keeps its default, so that all the rest can be checked.
    func read(_ node: WrittenNode, into entry: inout Entry, _ problems: inout Problems) {
        guard case .mapping(let members) = node.content else {
            let names = choice(of: keys.map(\.name))
            problems.error(at: node.position, "\(node.misfit): write \(names)")
            return
        }
        for member in members {
            problems.within(member.name) { problems in
                guard let key = keys.first(where: { $0.name == member.name }) else {
                    let advice = advice(for: member.name, among: keys.map(\.name))
                    problems.error(at: member.position, "there is no such key of \(name): \(advice)")
                    return
                }
                key.read(member.value, &entry, &problems)
            }
        }
        for key in keys where key.isRequired && !members.contains(where: { $0.name == key.name }) {
            problems.error(at: node.position, "the key \(key.name) is missing: write \(key.name): \(key.placeholder)")
        }
    }
}

/// One key of a section: all that reads, describes and checks it.
struct Key<Entry: Sendable>: Sendable {
    let name: String
    /// What the documentation calls its value.
    let kind: String
    /// What may be written, in Markdown.
    let allowed: String
    /// What is taken without it, in Markdown.
    let standard: String
    let isRequired: Bool
    /// One sentence or more, in Markdown.
    let help: String
    let schema: JSONValue
    /// As an example of a required key.
    let placeholder: String
    let read: @Sendable (WrittenNode, inout Entry, inout Problems) -> Void
    /// Whether two entries have the same value here.
    let isSame: @Sendable (Entry, Entry) -> Bool

    /// - Parameter standard: what is taken without it, where that is no value that can be written.
    init<Value: Equatable & Sendable>(
        _ name: String,
        _ path: any WritableKeyPath<Entry, Value> & Sendable,
        _ kind: Kind<Value>,
        in empty: Entry,
        standard: String? = nil,
        _ help: String
    ) {
        self.name = name
        self.kind = kind.name
        allowed = kind.allowed
        self.standard = standard ?? kind.write(empty[keyPath: path]).map { "`\($0)`" } ?? "none"
        isRequired = false
        self.help = help
        schema = kind.schema
        placeholder = ""
        read = { node, entry, problems in
            if let value = kind.read(node, &problems) { entry[keyPath: path] = value }
        }
        isSame = { $0[keyPath: path] == $1[keyPath: path] }
    }

    /// A key that must be there.
    ///
    /// - Parameter placeholder: what is written, for the message that it is missing.
    init<Value: Equatable & Sendable>(
        required name: String,
        _ path: any WritableKeyPath<Entry, Value> & Sendable,
        _ kind: Kind<Value>,
        placeholder: String,
        _ help: String
    ) {
        self.name = name
        self.kind = kind.name
        allowed = kind.allowed
        standard = "must be given"
        isRequired = true
        self.help = help
        schema = kind.schema
        self.placeholder = placeholder
        read = { node, entry, problems in
            if let value = kind.read(node, &problems) { entry[keyPath: path] = value }
        }
        isSame = { $0[keyPath: path] == $1[keyPath: path] }
    }
}

extension Section {
    /// The schema of the group.
    var schema: JSONValue {
        var properties: [String: JSONValue] = [:]
        for key in keys { properties[key.name] = key.described }
        var schema: [String: JSONValue] = [
            "type": .text("object"), "properties": .object(properties), "additionalProperties": .boolean(false),
        ]
        let required = keys.filter(\.isRequired).map { JSONValue.text($0.name) }
        if !required.isEmpty { schema["required"] = .list(required) }
        return .object(schema)
    }

    /// The keys that have another value in one entry than in another.
    func keys(otherIn entry: Entry, than other: Entry) -> [String] {
        keys.filter { !$0.isSame(entry, other) }.map(\.name)
    }

    /// The group as a kind of value.
    var kind: Kind<Entry> {
        Kind(name: "group of keys", allowed: "see below", schema: schema, write: { _ in nil }) { node, problems in
            var entry = empty
            read(node, into: &entry, &problems)
            return entry
        }
    }

    /// Several groups, each under a name of its own.
    ///
    /// - Parameters:
    ///   - most: how many there may be.
    ///   - allowsNone: whether there may be none.
    ///   - name: where an entry keeps its name.
    func named(most: Int, _ path: any WritableKeyPath<Entry, String> & Sendable) -> Kind<[Entry]> {
        Kind(
            name: "groups of keys by name",
            allowed: "names of letters, digits, `-`, `_` and `.`, 64 at most",
            schema: .object([
                "type": .text("object"), "additionalProperties": schema, "minProperties": .number(1),
                "maxProperties": .number(most),
                "propertyNames": .object(["pattern": .text("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]),
            ]),
            write: { _ in nil }
        ) { node, problems in
            guard case .mapping(let members) = node.content, !members.isEmpty else {
                problems.error(
                    at: node.position,
                    "\(node.misfit): write a name for \(self.name), a colon, and its keys indented below"
                )
                return nil
            }
            guard members.count <= most else {
                problems.error(at: node.position, "there are \(members.count) of them: \(most) are allowed")
                return nil
            }
            return members.map { member in
                problems.within(member.name) { problems in
                    if !isName(member.name) {
                        problems.error(at: member.position, "\(quoted(member.name)) is no name: \(nameAdvice)")
                    }
                    var entry = empty
                    entry[keyPath: path] = member.name
                    read(member.value, into: &entry, &problems)
                    return entry
                }
            }
        }
    }
}

extension Key {
    /// Its schema, with what an editor shows about it.
    var described: JSONValue {
        guard case .object(var schema) = schema else { return schema }
        schema["description"] = .text("\(help) Default: \(standard.replacing("`", with: "")).")
        return .object(schema)
    }
}

let nameAdvice = "write letters, digits, -, _ and ., 64 at most, the first a letter or a digit"

/// Names are in logs and metrics, so they are kept short and plain.
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
