import Sockets
import ValueFormats

// Kinds of lists of scalars.

extension ValueSchema {
    /// Returns the kind of a list of scalars; the empty list has no written form.
    ///
    /// - Parameters:
    ///   - max: maximum number of elements.
    ///   - noun: the elements, in the plural.
    ///   - example: the expected value, as the object of "must be".
    ///   - parse: returns nil if the text is not an element; throws an error that quotes the text and describes the fix.
    static func list<Element: Sendable>(
        name: String,
        max: Int,
        of noun: String,
        example: String,
        write: @escaping @Sendable (Element) -> String,
        parse: @escaping @Sendable (String) throws -> Element?
    ) -> Self where Value == [Element] {
        Self(
            name: name,
            schema: .object([
                "type": .string("array"), "maxItems": .integer(max), "items": .object(["type": .string("string")]),
            ]),
            write: { $0.isEmpty ? nil : $0.map(write).joined(separator: ", ") },
            read: { node, diagnostics in
                guard let items = node.items(0...max, of: noun, "must be \(example)", &diagnostics) else { return nil }
                return items.enumerated().compactMap { index, item in
                    if diagnostics.isExhausted { return nil }
                    return diagnostics.within(index) { diagnostics in
                        do {
                            if case .scalar(let scalar) = item.content, let element = try parse(scalar.text) {
                                return element
                            }
                            diagnostics.error(at: item.location, "\(item.typeMismatch): must be \(example)")
                        } catch {
                            diagnostics.error(at: item.location, "\(error)")
                        }
                        return nil
                    }
                }
            }
        )
    }
}

extension ValueSchema where Value == [String] {
    /// Paths of files and folders.
    static var includes: Self {
        var valueSchema = list(
            name: "list of paths",
            max: ConfigurationFile.maxIncludes,
            of: "paths",
            example: "paths of files or folders, such as [conf.d]",
            write: { $0 },
            parse: { text in
                guard IncludeReader.isPath(text) else {
                    throw ValueFormatError("invalid path \(quoted(text)): must have 1 to 4096 bytes, none of them 0")
                }
                return text
            }
        )
        // A name such as 5 needs no quotes.
        valueSchema.schema = .object([
            "type": .string("array"), "maxItems": .integer(ConfigurationFile.maxIncludes), "items": .object([:]),
        ])
        return valueSchema
    }
}

extension ValueSchema where Value == [InternetAddress] {
    /// Local addresses without ports.
    static var sources: Self {
        .list(
            name: "list of IP addresses",
            max: ConfigurationFile.maxSources,
            of: "addresses",
            example: "IP addresses of this machine without a port, such as [127.0.0.2, \"::1\"]",
            write: \.host,
            parse: { InternetAddress(host: $0, port: 0) }
        )
    }
}
