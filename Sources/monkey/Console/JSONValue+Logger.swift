import Logging
import ValueFormats

extension JSONValue {
    init(_ value: Logger.MetadataValue) {
        self =
            switch value {
            case .string(let text): .string(text)
            case .stringConvertible(let number as Int): .integer(number)
            case .stringConvertible(let other): .string(other.description)
            case .dictionary(let members): .object(JSONObject(members))
            case .array(let elements): .array(elements.map(JSONValue.init))
            }
    }
}

extension JSONObject {
    /// Sorts the members by key, so that equal metadata always produces the same line.
    init(_ metadata: Logger.Metadata) {
        self.init(metadata.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) })
    }
}
