import TCPProxy
import ValueFormats

// Kinds of values that only one key uses.

extension ValueSchema where Value == AccessLogFormat {
    static var accessLogFormat: Self {
        Self(
            name: "text",
            allowed: "`text`, `json`, or fields such as `{client} {server}`",
            schema: .object(["type": .string("string")]),
            example: "text, json, or fields in braces in quotes, such as \"{client} {server}\"",
            write: { $0.description },
            parse: { try AccessLogFormat(parsing: $0) }
        )
    }
}

extension ValueSchema where Value == [ServerSection] {
    static var servers: Self {
        let section = ObjectSchema<ServerSection>.server
        let address = ValueSchema<ServerAddress>.serverAddress
        return Self(
            name: "list",
            allowed: "1 to \(ConfigurationFile.maxServers) addresses, or mappings with the keys below",
            schema: .object([
                "type": .string("array"), "minItems": .integer(1), "maxItems": .integer(ConfigurationFile.maxServers),
                "items": .object(["anyOf": .array([address.schema, section.schema])]),
            ]),
            write: { _ in nil }
        ) { node, diagnostics in
            guard case .list(let items) = node.content, !items.isEmpty else {
                diagnostics.error(
                    at: node.location,
                    "\(node.typeMismatch): must be a list of at least one server, such as - 10.0.0.1:5432"
                )
                return nil
            }
            guard items.count <= ConfigurationFile.maxServers else {
                let most = ConfigurationFile.maxServers
                diagnostics.error(at: node.location, "too many servers: \(items.count), at most \(most) are allowed")
                return nil
            }
            return items.enumerated().map { index, item in
                diagnostics.within(index) { diagnostics in
                    var server = section.empty
                    if case .scalar = item.content {
                        if let address = address.read(item, &diagnostics) { server.address = address }
                    } else {
                        section.read(item, into: &server, &diagnostics)
                    }
                    if server.name.isEmpty { server.name = server.address.description }
                    return server
                }
            }
        }
    }
}

extension ValueSchema where Value == String {
    /// A name for logs and metrics.
    static var name: Self {
        var valueSchema = text(1...64, example: "a name")
        valueSchema.allowed = "at most 64 letters, digits, `-`, `_` and `.`"
        let read = valueSchema.read
        valueSchema.read = { node, diagnostics in
            guard let name = read(node, &diagnostics) else { return nil }
            guard isName(name) else {
                diagnostics.error(at: node.location, "invalid name \(quoted(name)): \(nameAdvice)")
                return nil
            }
            return name
        }
        return valueSchema
    }

    /// A text of visible ASCII characters without spaces.
    static func visible(_ lengths: ClosedRange<Int>, example: String) -> Self {
        var valueSchema = text(lengths, example: example)
        valueSchema.allowed += " of visible ASCII"
        let read = valueSchema.read
        valueSchema.read = { node, diagnostics in
            guard let text = read(node, &diagnostics) else { return nil }
            guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                diagnostics.error(
                    at: node.location,
                    "\(quoted(text)) has a space or another character that HTTP does not allow: encode it, such as %20"
                )
                return nil
            }
            return text
        }
        return valueSchema
    }
}

extension ValueSchema where Value == ClosedRange<Int> {
    /// A status code or a range of status codes.
    static var statusCodes: Self {
        let advice = "must be a status code from 100 to 599, or a range such as 200-399"
        let range = "^[1-5][0-9][0-9]-[1-5][0-9][0-9]$"
        return Self(
            name: "status codes",
            allowed: "a code such as `200`, or a range such as `200-399`, within 100 to 599",
            schema: .object([
                "anyOf": .array([
                    ValueSchema<Int>.wholeNumber(100...599).schema,
                    .object(["type": .string("string"), "pattern": .string(range)]),
                ])
            ]),
            write: { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" },
            read: { node, diagnostics in
                guard case .scalar(let scalar) = node.content else {
                    diagnostics.error(at: node.location, "\(node.typeMismatch): \(advice)")
                    return nil
                }
                let codes = scalar.text.split(separator: "-", omittingEmptySubsequences: false).map { code in
                    code.allSatisfy { ("0"..."9").contains($0) } && code.count == 3 ? Int(code) ?? 0 : 0
                }
                guard (1...2).contains(codes.count), codes.allSatisfy({ (100...599).contains($0) }),
                    let first = codes.first, let last = codes.last, first <= last, codes.count == 2 || scalar.isPlain
                else {
                    diagnostics.error(at: node.location, "\(node.typeMismatch): \(advice)")
                    return nil
                }
                return first...last
            }
        )
    }
}
