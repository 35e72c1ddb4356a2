/// A JSON value (RFC 8259) whose objects keep the order of their members.
public enum JSONValue: Hashable, Sendable {
    case object(JSONObject)
    case array([JSONValue])
    case string(String)
    case integer(Int)
    /// A number that is not an integer; infinity and NaN, which JSON does not have, are written as `null`.
    case number(Double)
    /// A number that is already formatted, such as `0.250000`.
    case numeral(String)
    case boolean(Bool)
    case null

    /// The value on one line, without a line terminator.
    public var text: String {
        var text = ""
        write(to: &text, indentation: nil)
        return text
    }

    /// The value on one line, terminated by a line feed.
    public var line: String { text + "\n" }

    /// The value with each element and member on a line of its own, and members sorted by name so that equal objects
    /// have equal texts.
    public var indented: String {
        var text = ""
        write(to: &text, indentation: 0)
        return text + "\n"
    }

    private func write(to text: inout String, indentation: Int?) {
        switch self {
        case .object(let object):
            let members = indentation == nil ? object.members : object.members.sorted { $0.name < $1.name }
            Self.write(members, in: "{", "}", to: &text, indentation) { member, text, indentation in
                Self.write(member.name, to: &text)
                text += indentation == nil ? ":" : " : "
                member.value.write(to: &text, indentation: indentation)
            }
        case .array(let values):
            Self.write(values, in: "[", "]", to: &text, indentation) { value, text, indentation in
                value.write(to: &text, indentation: indentation)
            }
        case .string(let string): Self.write(string, to: &text)
        case .integer(let integer): text += String(integer)
        case .number(let number): text += number.isFinite ? String(number) : "null"
        case .numeral(let numeral): text += numeral
        case .boolean(let isTrue): text += isTrue ? "true" : "false"
        case .null: text += "null"
        }
    }

    private static func write<Element>(
        _ elements: [Element],
        in start: String,
        _ end: String,
        to text: inout String,
        _ indentation: Int?,
        _ write: (Element, inout String, Int?) -> Void
    ) {
        text += start
        let inner = elements.isEmpty ? nil : indentation.map { $0 + 2 }
        var separator = ""
        for element in elements {
            text += separator
            if let inner { text += newLine(inner) }
            write(element, &text, inner)
            separator = ","
        }
        if inner != nil, let indentation { text += newLine(indentation) }
        text += end
    }

    private static func newLine(_ indentation: Int) -> String {
        "\n" + String(repeating: " ", count: indentation)
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        defer { text += "\"" }
        let isPlain = string.utf8.allSatisfy {
            $0 >= UInt8(ascii: " ") && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        guard !isPlain else { return text += string }
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"", "\\": text += "\\\(scalar)"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{00}"..<" ": text += "\\u" + String(scalar.value + 0x10000, radix: 16).dropFirst()
            default: text.unicodeScalars.append(scalar)
            }
        }
    }
}

/// The members of a JSON object, in order.
public struct JSONObject: Hashable, Sendable, ExpressibleByDictionaryLiteral {
    public struct Member: Hashable, Sendable {
        public let name: String
        public var value: JSONValue
    }

    public private(set) var members: [Member] = []

    public init(dictionaryLiteral members: (String, JSONValue)...) {
        self.init(members)
    }

    public init(_ members: some Sequence<(String, JSONValue)>) {
        self.members = members.map(Member.init)
    }

    /// The value of a member; nil if there is none. A new member is added at the end.
    public subscript(name: String) -> JSONValue? {
        get { members.first { $0.name == name }?.value }
        set {
            guard let index = members.firstIndex(where: { $0.name == name }) else {
                if let newValue { members.append(Member(name: name, value: newValue)) }
                return
            }
            if let newValue { members[index].value = newValue } else { members.remove(at: index) }
        }
    }

    /// Returns the members of both objects, these first.
    public static func + (first: JSONObject, second: JSONObject) -> JSONObject {
        var sum = first
        sum.members += second.members
        return sum
    }
}
