import ValueFormats

/// References to environment variables in values: `${NAME}`, and `${NAME:-default}` for a variable that is unset or
/// empty. `$$` is a dollar sign, and so is a dollar sign before any other character.
enum EnvironmentReference {
    struct Expansion: Equatable {
        var text: String
        /// Whether it contained a reference, and not only dollar signs.
        var hasReference: Bool
    }

    /// Replaces all references; the values are not searched for references.
    ///
    /// - Parameter environment: returns the value of a variable; nil if it is not set.
    /// - Throws: ``ValueFormatError``, which names the variable.
    static func expand(
        _ text: String,
        _ environment: (String) -> String?
    ) throws(ValueFormatError) -> Expansion {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return Expansion(text: text, hasReference: false) }
        var expansion = Expansion(text: "", hasReference: false)
        var rest = text.unicodeScalars[...]
        while let dollar = rest.firstIndex(of: "$") {
            expansion.text += String(rest[..<dollar])
            rest = rest[dollar...].dropFirst()
            switch rest.first {
            case "$":
                expansion.text += "$"
                rest = rest.dropFirst()
            case "{":
                guard let end = rest.firstIndex(of: "}") else {
                    throw ValueFormatError("${ without }: close the reference, or write $${ for the characters")
                }
                expansion.text += try value(of: String(rest[rest.index(after: rest.startIndex)..<end]), environment)
                expansion.hasReference = true
                rest = rest[end...].dropFirst()
            default:
                expansion.text += "$"
            }
        }
        expansion.text += String(rest)
        return expansion
    }

    /// - Parameter reference: the text between the braces.
    private static func value(
        of reference: String,
        _ environment: (String) -> String?
    ) throws(ValueFormatError) -> String {
        guard !reference.contains("${") else {
            throw ValueFormatError("a reference in a reference, ${\(reference)}: write the default without a reference")
        }
        let parts = reference.split(separator: ":-", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts[0]
        guard isVariable(name) else {
            throw ValueFormatError(
                "invalid environment variable \(quoted(name)): must be letters, digits and underscores, "
                    + "such as ${PORT} or ${PORT:-5432}; write $${ for the characters"
            )
        }
        let value = environment(name)
        if parts.count == 2 { return value.flatMap { $0.isEmpty ? nil : $0 } ?? parts[1] }
        guard let value else {
            throw ValueFormatError("environment variable \(name) is not set: set it, or write ${\(name):-default}")
        }
        return value
    }

    private static func isVariable(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}

extension JSONValue {
    /// The schema of a value that may also be a reference; lists and mappings are returned as they are, because only
    /// their elements can be references.
    var orEnvironmentReference: JSONValue {
        guard case .object(let schema) = self else { return self }
        let reference = JSONValue.object(["type": .string("string"), "pattern": .string("[$][{]")])
        switch schema["type"] {
        case .string("object"), .string("array"): return self
        case .string("string") where schema["pattern"] == nil: return self
        default: break
        }
        if case .array(let schemas) = schema["anyOf"] { return .object(["anyOf": .array(schemas + [reference])]) }
        return .object(["anyOf": .array([self, reference])])
    }
}
