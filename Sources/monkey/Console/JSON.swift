import Logging

/// Serializes the content of a log line as JSON (RFC 8259); the members of an object keep their order.
enum JSON {
    static func object(_ members: [Logger.Metadata.Element]) -> String {
        "{" + members.map { "\(string($0.key)):\(value($0.value))" }.joined(separator: ",") + "}"
    }

    static func value(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): string(text)
        case .stringConvertible(let number as Int): String(number)
        case .stringConvertible(let other): string(other.description)
        case .dictionary(let members): object(members.sorted { $0.key < $1.key })
        case .array(let elements): "[" + elements.map(Self.value).joined(separator: ",") + "]"
        }
    }

    static func string(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20: quoted += hexadecimal(scalar)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    private static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
