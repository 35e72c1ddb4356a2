import TCPProxy

// Kinds of values that only one key uses.

extension Kind where Value == Engine {
    static var engine: Self {
        let kind = Kind<EngineWord>.word
        return Self(name: kind.name, allowed: kind.allowed, schema: kind.schema) { engine in
            EngineWord.allCases.first { $0.engine == engine }?.rawValue
        } read: { node, problems in
            kind.read(node, &problems)?.engine
        }
    }
}

extension Kind where Value == AccessLogFormat {
    static var accessLogFormat: Self {
        Self(
            name: "text",
            allowed: "`text`, `json`, or fields such as `{client} {server}`",
            schema: .object(["type": .text("string")]),
            example: "text, json, or fields in braces in quotes, such as \"{client} {server}\"",
            write: { $0.description },
            parse: { try AccessLogFormat(parsing: $0) }
        )
    }
}

private enum EngineWord: String, CaseIterable, Sendable {
    case auto, copy, splice

    var engine: Engine {
        switch self {
        case .auto: .auto
        case .copy: .copy
        case .splice: .splice
        }
    }
}

extension Kind where Value == [ServerEntry] {
    static var servers: Self {
        let section = Section<ServerEntry>.server
        let address = Kind<ServerAddress>.serverAddress
        return Self(
            name: "list",
            allowed: "1 to \(ConfigurationFile.mostServers) addresses, or mappings with the keys below",
            schema: .object([
                "type": .text("array"), "minItems": .number(1), "maxItems": .number(ConfigurationFile.mostServers),
                "items": .object(["anyOf": .list([address.schema, section.schema])]),
            ]),
            write: { _ in nil }
        ) { node, problems in
            guard case .list(let items) = node.content, !items.isEmpty else {
                problems.error(
                    at: node.position,
                    "\(node.misfit): must be a list of at least one server, such as - 10.0.0.1:5432"
                )
                return nil
            }
            guard items.count <= ConfigurationFile.mostServers else {
                let most = ConfigurationFile.mostServers
                problems.error(at: node.position, "too many servers: \(items.count), at most \(most) are allowed")
                return nil
            }
            return items.enumerated().map { index, item in
                problems.within(index) { problems in
                    var server = section.empty
                    if case .scalar = item.content {
                        if let address = address.read(item, &problems) { server.address = address }
                    } else {
                        section.read(item, into: &server, &problems)
                    }
                    if server.name.isEmpty { server.name = server.address.description }
                    return server
                }
            }
        }
    }
}

extension Kind where Value == String {
    /// A name for logs and metrics.
    static var name: Self {
        var kind = text(1...64, example: "a name")
        kind.allowed = "at most 64 letters, digits, `-`, `_` and `.`"
        let read = kind.read
        kind.read = { node, problems in
            guard let name = read(node, &problems) else { return nil }
            guard isName(name) else {
                problems.error(at: node.position, "invalid name \(quoted(name)): \(nameAdvice)")
                return nil
            }
            return name
        }
        return kind
    }

    /// A text of visible ASCII characters without spaces.
    static func visible(_ lengths: ClosedRange<Int>, example: String) -> Self {
        var kind = text(lengths, example: example)
        kind.allowed += " of visible ASCII"
        let read = kind.read
        kind.read = { node, problems in
            guard let text = read(node, &problems) else { return nil }
            guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                problems.error(
                    at: node.position,
                    "\(quoted(text)) has a space or another character that HTTP does not allow: encode it, such as %20"
                )
                return nil
            }
            return text
        }
        return kind
    }
}

extension Kind where Value == ClosedRange<Int> {
    /// A status code or a range of status codes.
    static var statusCodes: Self {
        let advice = "must be a status code from 100 to 599, or a range such as 200-399"
        let range = "^[1-5][0-9][0-9]-[1-5][0-9][0-9]$"
        return Self(
            name: "status codes",
            allowed: "a code such as `200`, or a range such as `200-399`, within 100 to 599",
            schema: .object([
                "anyOf": .list([
                    Kind<Int>.wholeNumber(100...599).schema,
                    .object(["type": .text("string"), "pattern": .text(range)]),
                ])
            ]),
            write: { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" },
            read: { node, problems in
                guard case .scalar(let scalar) = node.content else {
                    problems.error(at: node.position, "\(node.misfit): \(advice)")
                    return nil
                }
                let codes = scalar.text.split(separator: "-", omittingEmptySubsequences: false).map { code in
                    code.allSatisfy { ("0"..."9").contains($0) } && code.count == 3 ? Int(code) ?? 0 : 0
                }
                guard (1...2).contains(codes.count), codes.allSatisfy({ (100...599).contains($0) }),
                    let first = codes.first, let last = codes.last, first <= last, codes.count == 2 || scalar.isPlain
                else {
                    problems.error(at: node.position, "\(node.misfit): \(advice)")
                    return nil
                }
                return first...last
            }
        )
    }
}
