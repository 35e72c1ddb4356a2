import FoundationEssentials

extension LoadTest.Report {
    /// Encodes the report as JSON (RFC 8259) in UTF-8: property names in snake case, sorted.
    public func json() -> [UInt8] {
        JSONText.encode(self)
    }

    /// Decodes the output of ``json()``.
    ///
    /// - Throws: `DecodingError`.
    public init(json: [UInt8]) throws {
        self = try JSONText.decode(LoadTest.Report.self, from: json)
    }
}

enum JSONText {
    static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // All values of a report should be finite; one that is not is encoded as a string instead of trapping.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        guard let data = try? encoder.encode(value) else { preconditionFailure("the report cannot be encoded as JSON") }
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

extension LoadTest.ComparisonReport {
    /// Encodes the report as JSON (RFC 8259) in UTF-8: property names in snake case, sorted.
    public func json() -> [UInt8] {
        JSONText.encode(self)
    }
}

extension LoadTest.RateFinder.Result {
    /// Encodes the result as JSON (RFC 8259) in UTF-8: property names in snake case, sorted.
    public func json() -> [UInt8] {
        JSONText.encode(self)
    }
}
