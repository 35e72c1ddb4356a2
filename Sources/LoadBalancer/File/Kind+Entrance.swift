import Notation
public import TCPProxy

// Kinds of values for access control.

extension Kind where Value == [AddressBlock] {
    /// A list of networks and single addresses.
    static var networks: Self {
        let advice = "must be addresses or networks, such as [10.0.0.0/8, \"2001:db8::/32\"]"
        let most = ConfigurationFile.mostNetworks
        return Self(
            name: "list of networks",
            allowed: "at most \(most) IP addresses or CIDR blocks such as `10.0.0.0/8`",
            schema: .object([
                "type": .text("array"), "maxItems": .number(most), "items": .object(["type": .text("string")]),
            ]),
            write: { $0.isEmpty ? nil : $0.map(\.description).joined(separator: ", ") },
            read: { node, problems in
                guard case .list(let items) = node.content else {
                    problems.error(at: node.position, "\(node.misfit): \(advice)")
                    return nil
                }
                guard items.count <= most else {
                    problems.error(at: node.position, "too many networks: \(items.count), at most \(most) are allowed")
                    return nil
                }
                return items.enumerated().compactMap { index, item in
                    problems.within(index) { problems in
                        guard case .scalar(let scalar) = item.content else {
                            problems.error(at: item.position, "\(item.misfit): \(advice)")
                            return nil
                        }
                        do throws(AddressBlockError) {
                            return try AddressBlock(parsing: scalar.text)
                        } catch {
                            problems.error(at: item.position, "\(error)")
                            return nil
                        }
                    }
                }
            }
        )
    }
}

extension Kind where Value == WrittenRate {
    /// A rate limit.
    static var rate: Self {
        Self(
            name: "rate",
            allowed: "a number per second, minute or hour, such as `100/s`, `30/m` or `10/s,burst=50`",
            schema: .object(["type": .text("string"), "pattern": .text("^[0-9]+/[smh](,burst=[0-9]+)?$")]),
            example: "a rate, such as 100/s",
            write: { $0.text },
            parse: { WrittenRate(text: $0, rate: try TokenRate(parsing: $0)) }
        )
    }
}

/// A rate, and its text in the file.
public struct WrittenRate: Sendable, Hashable {
    public let text: String
    public let rate: TokenRate

    public init(text: String, rate: TokenRate) {
        self.text = text
        self.rate = rate
    }
}

extension Kind where Value == WrittenSize {
    static func size(_ range: ClosedRange<Int>) -> Self {
        Self(
            name: "size",
            allowed: "bytes, such as `1500`, `64KiB` or `10MB`",
            schema: .object([
                "anyOf": .list([
                    .object(["type": .text("string"), "pattern": .text("^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB)?$")]),
                    Kind<Int>.wholeNumber(range).schema,
                ])
            ]),
            example: "a number of bytes, such as 64KiB or 10MB",
            write: { $0.description },
            parse: { try WrittenSize(parsing: $0, in: range) }
        )
    }
}

extension Kind where Value == [RouteEntry<ServerNamePattern>] {
    /// SNI host name patterns, each with a pool.
    static var serverNames: Self {
        routes(
            by: "name",
            allowed: "names such as `www.example.com` or `\"*.example.com\"`, each with the name of a pool",
            example: "www.example.com: web",
            most: ConfigurationFile.mostServerNames
        ) { text in
            try ServerNamePattern(parsing: text)
        }
    }
}

extension Kind where Value == [RouteEntry<ApplicationProtocol>] {
    /// ALPN protocols, each with a pool.
    static var applicationProtocols: Self {
        routes(
            by: "protocol",
            allowed: "protocols such as `h2` or `postgresql`, each with the name of a pool",
            example: "h2: web",
            most: ListenerConfiguration.mostApplicationProtocols
        ) { text in
            try ApplicationProtocol(parsing: text)
        }
    }
}

extension Kind {
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
    ) -> Kind<[RouteEntry<Pattern>]> {
        let pool = Kind<String>.text(1...64, example: "the name of a pool")
        return Kind<[RouteEntry<Pattern>]>(
            name: "pools by \(what)",
            allowed: allowed,
            schema: .object([
                "type": .text("object"), "additionalProperties": pool.schema, "minProperties": .number(1),
                "maxProperties": .number(most),
            ]),
            write: { _ in nil }
        ) { node, problems in
            guard case .mapping(let members) = node.content, !members.isEmpty else {
                problems.error(
                    at: node.position,
                    "\(node.misfit): must map at least one \(what) to a pool, such as \(example)"
                )
                return nil
            }
            guard members.count <= most else {
                problems.error(at: node.position, "too many \(what)s: \(members.count), at most \(most) are allowed")
                return nil
            }
            var taken: Set<Pattern> = []
            return members.compactMap { member in
                problems.within(member.name) { problems in
                    let name = pool.read(member.value, &problems)
                    do {
                        let pattern = try parse(member.name)
                        guard taken.insert(pattern).inserted else {
                            problems.error(at: member.position, "duplicate \(what) \(pattern): remove one of them")
                            return nil
                        }
                        return name.map { RouteEntry(pattern: pattern, written: member.name, pool: $0) }
                    } catch {
                        problems.error(at: member.position, "\(error)")
                        return nil
                    }
                }
            }
        }
    }
}
