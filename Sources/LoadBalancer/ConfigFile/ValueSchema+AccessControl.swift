package import TCPProxy
import ValueFormats

// Kinds of values for access control.

extension ValueSchema where Value == [CIDRBlock] {
    /// A list of networks and single addresses.
    static var networks: Self {
        .list(
            name: "list of networks",
            max: ConfigurationFile.maxNetworks,
            of: "networks",
            example: "addresses or networks, such as [10.0.0.0/8, \"2001:db8::/32\"]",
            write: \.description,
            parse: { try CIDRBlock(parsing: $0) }
        )
    }
}

extension ValueSchema where Value == [TrustedSource] {
    /// A list of networks of trusted proxies, and `unix`.
    static var trustedSources: Self {
        .list(
            name: "list of networks",
            max: ConfigurationFile.maxNetworks,
            of: "networks",
            example: "addresses or networks, such as [10.0.0.0/8, \"2001:db8::/32\"], or [unix]",
            write: \.description,
            parse: { try TrustedSource(parsing: $0) }
        )
    }
}

extension ValueSchema where Value == RateValue {
    /// A rate limit.
    static var rate: Self {
        .formatted("rate", matching: "^[0-9]+/[smh](,burst=[0-9]+)?$", example: "a rate, such as 100/s") {
            try RateValue(parsing: $0)
        }
    }
}

/// A rate as it is written.
package struct RateValue: Sendable, Hashable, CustomStringConvertible {
    /// The text in the file.
    package let description: String
    package let rate: TokenRate

    /// - Throws: `TokenRateError`.
    package init(parsing text: String) throws(TokenRateError) {
        rate = try TokenRate(parsing: text)
        description = text
    }
}

extension ValueSchema where Value == ByteSizeValue {
    static func size(_ range: ClosedRange<Int>) -> Self {
        Self(
            name: "size",
            schema: .object([
                "anyOf": .array([
                    .text(matching: ByteSizeValue.pattern), ValueSchema<Int>.wholeNumber(range).schema,
                ])
            ]),
            example: "a number of bytes, such as 64KiB or 10MB",
            write: \.description,
            parse: { try ByteSizeValue(parsing: $0, in: range) }
        )
    }
}

extension ValueSchema where Value == [RouteSection<SNIPattern>] {
    /// SNI host name patterns, each with a pool.
    static var sniPatterns: Self {
        routes(by: "name", example: "www.example.com: web", max: ConfigurationFile.maxSNIPatterns) {
            try SNIPattern(parsing: $0)
        }
    }
}

extension ValueSchema where Value == [RouteSection<ALPNProtocol>] {
    /// ALPN protocols, each with a pool.
    static var alpnProtocols: Self {
        routes(by: "protocol", example: "h2: web", max: ListenerConfiguration.maxALPNProtocols) {
            try ALPNProtocol(parsing: $0)
        }
    }
}

extension ValueSchema {
    /// Returns the kind of a mapping from a property of TLS clients to pools.
    ///
    /// - Parameters:
    ///   - property: name of the property, in the singular.
    ///   - max: maximum number of values of the property.
    ///   - parse: throws an error that describes the problem and its fix.
    fileprivate static func routes<Pattern: Hashable & Sendable & CustomStringConvertible>(
        by property: String,
        example: String,
        max: Int,
        parse: @escaping @Sendable (String) throws -> Pattern
    ) -> ValueSchema<[RouteSection<Pattern>]> {
        let pool = ValueSchema<String>.text(1...64, example: "the name of a pool")
        let section = ObjectSchema<RouteTargetSection>.route
        return ValueSchema<[RouteSection<Pattern>]>(
            name: "routes by \(property)",
            schema: .object([
                "type": .string("object"),
                "additionalProperties": .object([
                    "anyOf": .array([pool.schema.orEnvironmentReference, section.schema])
                ]),
                "minProperties": .integer(1), "maxProperties": .integer(max),
            ]),
            write: { _ in nil }
        ) { node, diagnostics in
            let expectation = "must map at least one \(property) to a pool, such as \(example)"
            guard let members = node.members(max: max, of: "\(property)s", expectation, &diagnostics) else {
                return nil
            }
            var taken: Set<Pattern> = []
            return members.compactMap { member in
                if diagnostics.isExhausted { return nil }
                return diagnostics.within(member.name) { diagnostics in
                    var target = section.empty
                    if case .mapping = member.value.content {
                        section.read(member.value, into: &target, &diagnostics)
                    } else if let name = pool.read(member.value, &diagnostics) {
                        target.pool = name
                    }
                    do {
                        let pattern = try parse(member.name)
                        guard taken.insert(pattern).inserted else {
                            diagnostics.error(
                                at: member.location,
                                "duplicate \(property) \(pattern): remove one of them"
                            )
                            return nil
                        }
                        guard !target.pool.isEmpty else { return nil }
                        return RouteSection(pattern: pattern, written: member.name, target: target)
                    } catch {
                        diagnostics.error(at: member.location, "\(error)")
                        return nil
                    }
                }
            }
        }
    }
}
