package import TCPProxy
import ValueFormats

// Kinds of values for access control.

extension ValueSchema where Value == [CIDRBlock] {
    /// A list of networks and single addresses.
    static var networks: Self {
        let most = ConfigurationFile.mostNetworks
        return .list(
            name: "list of networks",
            allowed: "at most \(most) IP addresses or CIDR blocks such as `10.0.0.0/8`",
            most: most,
            of: "networks",
            example: "addresses or networks, such as [10.0.0.0/8, \"2001:db8::/32\"]",
            write: \.description,
            parse: { try CIDRBlock(parsing: $0) }
        )
    }
}

extension ValueSchema where Value == RateValue {
    /// A rate limit.
    static var rate: Self {
        Self(
            name: "rate",
            allowed: "a number per second, minute or hour, such as `100/s`, `30/m` or `10/s,burst=50`",
            schema: .object(["type": .string("string"), "pattern": .string("^[0-9]+/[smh](,burst=[0-9]+)?$")]),
            example: "a rate, such as 100/s",
            write: { $0.text },
            parse: { RateValue(text: $0, rate: try TokenRate(parsing: $0)) }
        )
    }
}

/// A rate, and its text in the file.
package struct RateValue: Sendable, Hashable {
    package let text: String
    package let rate: TokenRate

    package init(text: String, rate: TokenRate) {
        self.text = text
        self.rate = rate
    }
}

extension ValueSchema where Value == ByteSizeValue {
    static func size(_ range: ClosedRange<Int>) -> Self {
        Self(
            name: "size",
            allowed: "bytes, such as `1500`, `16K`, `64KiB` or `10MB`",
            schema: .object([
                "anyOf": .array([
                    .object(["type": .string("string"), "pattern": .string(ByteSizeValue.pattern)]),
                    ValueSchema<Int>.wholeNumber(range).schema,
                ])
            ]),
            example: "a number of bytes, such as 64KiB or 10MB",
            write: { $0.description },
            parse: { try ByteSizeValue(parsing: $0, in: range) }
        )
    }
}

extension ValueSchema where Value == [RouteSection<SNIPattern>] {
    /// SNI host name patterns, each with a pool.
    static var sniPatterns: Self {
        routes(
            by: "name",
            allowed: "names such as `www.example.com` or `\"*.example.com\"`, each with the name of a pool",
            example: "www.example.com: web",
            most: ConfigurationFile.mostServerNames
        ) { text in
            try SNIPattern(parsing: text)
        }
    }
}

extension ValueSchema where Value == [RouteSection<ALPNProtocol>] {
    /// ALPN protocols, each with a pool.
    static var alpnProtocols: Self {
        routes(
            by: "protocol",
            allowed: "protocols such as `h2` or `postgresql`, each with the name of a pool",
            example: "h2: web",
            most: ListenerConfiguration.maxALPNProtocols
        ) { text in
            try ALPNProtocol(parsing: text)
        }
    }
}

extension ValueSchema {
    /// Returns the kind of a mapping from a property of TLS clients to pools.
    ///
    /// - Parameters:
    ///   - what: name of the property, in the singular.
    ///   - parse: throws an error that describes the problem and its fix.
    fileprivate static func routes<Pattern: Hashable & Sendable & CustomStringConvertible>(
        by what: String,
        allowed: String,
        example: String,
        most: Int,
        parse: @escaping @Sendable (String) throws -> Pattern
    ) -> ValueSchema<[RouteSection<Pattern>]> {
        let pool = ValueSchema<String>.text(1...64, example: "the name of a pool")
        return ValueSchema<[RouteSection<Pattern>]>(
            name: "pools by \(what)",
            allowed: allowed,
            schema: .object([
                "type": .string("object"), "additionalProperties": pool.schema, "minProperties": .integer(1),
                "maxProperties": .integer(most),
            ]),
            write: { _ in nil }
        ) { node, diagnostics in
            guard case .mapping(let members) = node.content, !members.isEmpty else {
                diagnostics.error(
                    at: node.location,
                    "\(node.typeMismatch): must map at least one \(what) to a pool, such as \(example)"
                )
                return nil
            }
            guard members.count <= most else {
                diagnostics.error(at: node.location, "too many \(what)s: \(members.count), at most \(most) are allowed")
                return nil
            }
            var taken: Set<Pattern> = []
            return members.compactMap { member in
                diagnostics.within(member.name) { diagnostics in
                    let name = pool.read(member.value, &diagnostics)
                    do {
                        let pattern = try parse(member.name)
                        guard taken.insert(pattern).inserted else {
                            diagnostics.error(at: member.location, "duplicate \(what) \(pattern): remove one of them")
                            return nil
                        }
                        return name.map { RouteSection(pattern: pattern, written: member.name, pool: $0) }
                    } catch {
                        diagnostics.error(at: member.location, "\(error)")
                        return nil
                    }
                }
            }
        }
    }
}
