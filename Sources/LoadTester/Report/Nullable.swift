extension LoadTest {
    /// A number that is null in JSON if it was not measured, instead of being left out.
    @propertyWrapper
    public struct Nullable: Sendable, Hashable, Codable {
        /// The number; nil if it was not measured.
        public var wrappedValue: Double?

        /// Creates a number, or its absence.
        public init(wrappedValue: Double?) {
            self.wrappedValue = wrappedValue
        }

        /// Decodes a number or null.
        public init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            wrappedValue = container.decodeNil() ? nil : try container.decode(Double.self)
        }

        /// Encodes the number or null.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
        }
    }
}
