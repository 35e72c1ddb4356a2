import Foundation

/// JSON value, for schemas.
enum JSONValue: Sendable, Hashable, Encodable {
    case text(String)
    case number(Int)
    case boolean(Bool)
    case list([JSONValue])
    case object([String: JSONValue])

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .number(let number): try container.encode(number)
        case .boolean(let boolean): try container.encode(boolean)
        case .list(let list): try container.encode(list)
        case .object(let object): try container.encode(object)
        }
    }

    /// The value as text with sorted keys, so that equal schemas have equal texts.
    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else { preconditionFailure("a JSON value cannot be encoded") }
        return String(decoding: data, as: UTF8.self) + "\n"
    }
}
