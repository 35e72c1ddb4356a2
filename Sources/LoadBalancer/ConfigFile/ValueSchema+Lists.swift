import Sockets
import ValueFormats

// Kinds of lists of scalars.

extension ValueSchema {
    /// Returns the kind of a list of scalars; the empty list has no written form.
    ///
    /// - Parameters:
    ///   - noun: the elements, in the plural.
    ///   - example: the expected value, as the object of "must be".
    ///   - parse: returns nil if the text is not an element; throws an error that quotes the text and describes the fix.
    static func list<Element: Sendable>(
        name: String,
        allowed: String,
        most: Int,
        of noun: String,
        example: String,
        write: @escaping @Sendable (Element) -> String,
        parse: @escaping @Sendable (String) throws -> Element?
    ) -> Self where Value == [Element] {
        Self(
            name: name,
            allowed: allowed,
            schema: .object([
                "type": .string("array"), "maxItems": .integer(most), "items": .object(["type": .string("string")]),
            ]),
            write: { $0.isEmpty ? nil : $0.map(write).joined(separator: ", ") },
            read: { node, diagnostics in
                guard case .list(let items) = node.content else {
                    diagnostics.error(at: node.location, "\(node.typeMismatch): must be \(example)")
                    return nil
                }
                guard items.count <= most else {
                    diagnostics.error(
                        at: node.location,
                        "too many \(noun): \(items.count), at most \(most) are allowed"
                    )
                    return nil
                }
                return items.enumerated().compactMap { index, item in
                    diagnostics.within(index) { diagnostics in
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

extension ValueSchema where Value == [InternetAddress] {
    /// Local addresses without ports.
    static var sources: Self {
        .list(
            name: "list of IP addresses",
            allowed: "addresses of this machine, without a port",
            most: ConfigurationFile.mostSources,
            of: "addresses",
            example: "IP addresses of this machine without a port, such as [127.0.0.2, \"::1\"]",
            write: \.host,
            parse: { InternetAddress(host: $0, port: 0) }
        )
    }
}
