import TCPProxy
import ValueFormats

// Kinds of values that only one key uses.

extension ValueSchema where Value == AccessLogFormat {
    static var accessLogFormat: Self {
        Self(
            name: "text",
            schema: .object(["type": .string("string")]),
            example: "text, json, or fields in braces in quotes, such as \"{client} {server}\"",
            write: \.description,
            parse: { try AccessLogFormat(parsing: $0) }
        )
    }
}

extension ValueSchema where Value == [ServerSection] {
    static var servers: Self {
        let section = ObjectSchema<ServerSection>.server
        let address = ValueSchema<ServerAddress>.serverAddress
        let max = ConfigurationFile.maxServers
        return Self(
            name: "list",
            allowed: "1 to \(max) addresses, or mappings with the keys below",
            schema: .object([
                "type": .string("array"), "minItems": .integer(1), "maxItems": .integer(max),
                "items": .object(["anyOf": .array([address.schema.orEnvironmentReference, section.schema])]),
            ]),
            write: { _ in nil }
        ) { node, diagnostics in
            let expectation = "must be a list of at least one server, such as - 10.0.0.1:5432"
            guard let items = node.items(1...max, of: "servers", expectation, &diagnostics) else { return nil }
            return items.enumerated().compactMap { index, item in
                if diagnostics.isExhausted { return nil }
                return diagnostics.within(index) { diagnostics in
                    var server = section.empty
                    if case .scalar = item.content {
                        if let address = address.read(item, &diagnostics) { server.address = address }
                    } else {
                        section.read(item, into: &server, &diagnostics)
                    }
                    if server.name.isEmpty { server.name = server.address.description }
                    server.location = (item["address"] ?? item).location
                    return server
                }
            }
        }
    }
}

extension ValueSchema where Value == String {
    /// A name for logs and metrics.
    static var name: Self {
        text(1...64, example: "a name").accepting(ConfigurationRules.invalidName)
    }

    /// A text of visible ASCII characters without spaces.
    static func visible(_ lengths: ClosedRange<Int>, example: String) -> Self {
        text(lengths, example: example).accepting { text in
            text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
                ? nil
                : "\(quoted(text)) has a space or another character that HTTP does not allow: encode it, such as %20"
        }
    }
}

extension ValueSchema where Value == [CertificateSection] {
    /// Certificates with their keys, and folders of them.
    static var certificates: Self {
        let section = ObjectSchema<CertificateSection>.certificate
        let folder = ValueSchema<String>.path
        let max = ConfigurationFile.maxCertificates
        let element = JSONValue.object(["anyOf": .array([folder.schema, section.schema])])
        let list = JSONValue.object([
            "type": .string("array"), "minItems": .integer(1), "maxItems": .integer(max), "items": element,
        ])
        return Self(
            name: "list",
            allowed: "1 to \(max) mappings with the keys below, or paths of folders",
            schema: .object(["anyOf": .array([folder.schema, list])]),
            write: { _ in nil }
        ) { node, diagnostics in
            if case .scalar = node.content {
                return folder.read(node, &diagnostics).map { [CertificateSection(folder: $0)] }
            }
            let expectation =
                "must be a list of at least one certificate, such as - {certificate: cert.pem, key: key.pem}, or a folder"
            guard let items = node.items(1...max, of: "certificates", expectation, &diagnostics) else { return nil }
            return items.enumerated().compactMap { index, item in
                diagnostics.within(index) { diagnostics in
                    if case .scalar = item.content {
                        return folder.read(item, &diagnostics).map { CertificateSection(folder: $0) }
                    }
                    var certificate = section.empty
                    section.read(item, into: &certificate, &diagnostics)
                    return certificate
                }
            }
        }
    }
}

extension ValueSchema where Value == [ALPNProtocol] {
    /// ALPN protocols.
    static var protocols: Self {
        var valueSchema = list(
            name: "list of protocols",
            max: ListenerConfiguration.maxALPNProtocols,
            of: "protocols",
            example: "protocols, such as [h2, http/1.1]",
            write: { "\($0)" },
            parse: { try ALPNProtocol(parsing: $0) }
        )
        // A name such as 5 needs no quotes.
        valueSchema.schema = .object([
            "type": .string("array"), "maxItems": .integer(ListenerConfiguration.maxALPNProtocols),
            "items": .object([:]),
        ])
        return valueSchema
    }
}

extension ValueSchema where Value == [String] {
    /// Patterns of the names of clients.
    static var clientNames: Self {
        var valueSchema = list(
            name: "list of names",
            max: ListenerTLS.maxClientNames,
            of: "names",
            example: "names, such as [billing, \"*.clients.example.com\"]",
            write: { $0 },
            parse: { text in
                guard (1...256).contains(text.utf8.count), !text.utf8.contains(0),
                    !text.dropFirst().dropLast().contains("*"), text != "**"
                else {
                    throw ValueFormatError(
                        "invalid name \(quoted(text)): must have 1 to 256 bytes, and * only at the beginning or the end"
                    )
                }
                return text
            }
        )
        // A name such as 5 needs no quotes.
        valueSchema.schema = .object([
            "type": .string("array"), "maxItems": .integer(ListenerTLS.maxClientNames), "items": .object([:]),
        ])
        return valueSchema
    }
}

extension ValueSchema where Value == String {
    /// The path of a file.
    static var path: Self {
        text(1...4096, example: "the path of a file").accepting { text in
            IncludeReader.isPath(text) ? nil : "invalid path \(quoted(text)): must have 1 to 4096 bytes, none of them 0"
        }
    }
}

extension ValueSchema where Value == CheckTLSSection {
    /// TLS of a health check: a word, or settings.
    static var checkTLS: Self {
        let settings = ObjectSchema<PoolTLSSection>.poolTLS.valueSchema
        let word = ValueSchema<CheckTLSSection.Use>.word
        return Self(
            name: "word or mapping",
            schema: .object(["anyOf": .array([settings.schema, word.schema])]),
            write: { if case .word(let use) = $0 { use.rawValue } else { nil } },
            read: { node, diagnostics in
                if case .mapping = node.content {
                    return settings.read(node, &diagnostics).map(CheckTLSSection.settings)
                }
                return word.read(node, &diagnostics).map(CheckTLSSection.word)
            }
        )
    }
}

extension ValueSchema where Value == [StepSection] {
    /// The steps of a `send-expect` check.
    static var steps: Self {
        let section = ObjectSchema<StepSection>.step
        let max = HealthCheckKind.maxSteps
        return Self(
            name: "list",
            schema: .object([
                "type": .string("array"), "minItems": .integer(1), "maxItems": .integer(max), "items": section.schema,
            ]),
            write: { _ in nil }
        ) { node, diagnostics in
            guard case .list(let items) = node.content, (1...max).contains(items.count) else {
                diagnostics.error(
                    at: node.location,
                    "\(node.typeMismatch): must be a list of 1 to \(max) steps, such as - {send: \"PING\", expect: PONG}"
                )
                return nil
            }
            return items.enumerated().map { index, item in
                diagnostics.within(index) { diagnostics in
                    var step = section.empty
                    section.read(item, into: &step, &diagnostics)
                    return step
                }
            }
        }
    }
}

extension ValueSchema where Value == [ClosedRange<Int>] {
    /// Status codes and ranges of status codes: one, several separated by commas, or a list.
    static var statusCodes: Self {
        let advice = "must be status codes from 100 to 599, such as 204, 200-399 or 200-299,304"
        let max = HealthCheck.maxStatusRanges
        let range = "[1-5][0-9][0-9](-[1-5][0-9][0-9])?"
        let text = JSONValue.text(matching: "^\(range)( *, *\(range))*$")
        let code = ValueSchema<Int>.wholeNumber(100...599).schema
        return Self(
            name: "status codes",
            schema: .object([
                "anyOf": .array([
                    code, text,
                    .object([
                        "type": .string("array"), "minItems": .integer(1), "maxItems": .integer(max),
                        "items": .object(["anyOf": .array([code, text])]),
                    ]),
                ])
            ]),
            write: { ranges in
                ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
                    .joined(separator: ",")
            },
            read: { node, diagnostics in
                let items = if case .list(let items) = node.content { items } else { [node] }
                var ranges: [ClosedRange<Int>] = []
                for item in items {
                    guard case .scalar(let scalar) = item.content, let found = parsedStatusCodes(in: scalar.text)
                    else {
                        diagnostics.error(at: item.location, "\(item.typeMismatch): \(advice)")
                        return nil
                    }
                    ranges += found
                }
                guard (1...max).contains(ranges.count) else {
                    diagnostics.error(at: node.location, "\(ranges.count) ranges of status codes: must be 1 to \(max)")
                    return nil
                }
                return ranges
            }
        )
    }
}

/// Parses status codes and ranges of status codes, separated by commas; returns nil if the text is invalid.
private func parsedStatusCodes(in text: String) -> [ClosedRange<Int>]? {
    var ranges: [ClosedRange<Int>] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        let codes = part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
            .split(separator: "-", omittingEmptySubsequences: false)
            .map { code in
                code.allSatisfy { ("0"..."9").contains($0) } && code.count == 3 ? Int(String(code)) ?? 0 : 0
            }
        guard (1...2).contains(codes.count), codes.allSatisfy({ (100...599).contains($0) }), let first = codes.first,
            let last = codes.last, first <= last
        else { return nil }
        ranges.append(first...last)
    }
    return ranges
}
