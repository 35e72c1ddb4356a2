import FoundationEssentials

extension Report {
    /// As JSON (RFC 8259), in UTF-8: the names of the properties in snake case, sorted.
    public func json() -> [UInt8] {
        JSONText.encode(self)
    }

    /// Reads what ``json()`` wrote.
    ///
    /// - Throws: `DecodingError`.
    public init(json: [UInt8]) throws {
        self = try JSONText.decode(Report.self, from: json)
    }
}

enum JSONText {
    static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // What a report holds is finite; should it ever not be, it is told rather than trapped on.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        guard let data = try? encoder.encode(value) else { preconditionFailure("a report that JSON cannot hold") }
        return Array(data) + [UInt8(ascii: "\n")]
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from json: [UInt8]) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        return try decoder.decode(type, from: Data(json))
    }
}

extension VersusReport {
    /// As JSON (RFC 8259), in UTF-8: the names of the properties in snake case, sorted.
    public func json() -> [UInt8] {
        JSONText.encode(self)
    }
}

extension RateFinder.Result {
    /// As JSON (RFC 8259), in UTF-8: the names of the properties in snake case, sorted.
    public func json() -> [UInt8] {
        JSONText.encode(self)
    }
}
