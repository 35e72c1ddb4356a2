/// A JSON value (RFC 8259) whose objects keep the order of their members.
enum JSON {
    case object([(String, JSON)])
    case array([JSON])
    case string(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case null

    /// The value on one line, terminated by a line feed.
    var line: String {
        var text = ""
        write(to: &text)
        text += "\n"
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .object(let members):
            text += "{"
            var separator = ""
            for (name, value) in members {
                text += separator
                Self.write(name, to: &text)
                text += ":"
                value.write(to: &text)
                separator = ","
            }
            text += "}"
        case .array(let values):
            text += "["
            var separator = ""
            for value in values {
                text += separator
                value.write(to: &text)
                separator = ","
            }
            text += "]"
        case .string(let string):
            Self.write(string, to: &text)
        case .integer(let integer):
            text += String(integer)
        case .number(let number):
            // JSON has no infinity or NaN.
            text += number.isFinite ? String(number) : "null"
        case .boolean(let isTrue):
            text += isTrue ? "true" : "false"
        case .null:
            text += "null"
        }
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\u{00}"..<" ":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
