import Sockets
import ValueFormats

/// Kind of value: its parser, formatter, documentation and JSON Schema.
struct ValueSchema<Value>: Sendable {
    /// Name in the documentation.
    var name: String
    /// Allowed values, in Markdown.
    var allowed: String
    /// JSON Schema of the value. It may accept more than the parser, but never less.
    var schema: JSONValue
    /// Formats a value as it is written in the file; returns nil if it has no written form.
    var write: @Sendable (Value) -> String?
    /// Parses a node; returns nil if it is invalid, after adding the error to the problems.
    var read: @Sendable (YAMLNode, inout Diagnostics) -> Value?
}

extension ValueSchema {
    /// Creates a kind whose value is a single scalar.
    ///
    /// - Parameters:
    ///   - example: the expected value, as the object of "must be".
    ///   - parse: throws an error that describes the expected format.
    init(
        name: String,
        allowed: String,
        schema: JSONValue,
        example: String,
        write: @escaping @Sendable (Value) -> String?,
        parse: @escaping @Sendable (String) throws -> Value
    ) {
        self.init(name: name, allowed: allowed, schema: schema, write: write) { node, diagnostics in
            guard case .scalar(let scalar) = node.content, node.scalarType != .nothing else {
                diagnostics.error(at: node.location, "\(node.typeMismatch): must be \(example)")
                return nil
            }
            do {
                return try parse(scalar.text)
            } catch let error as AddressParseError {
                // The error already quotes the text.
                diagnostics.error(at: node.location, "\(error)")
            } catch let error as ServerAddressError {
                diagnostics.error(at: node.location, "\(error)")
            } catch {
                diagnostics.error(at: node.location, "\(quoted(scalar.text)): \(error)")
            }
            return nil
        }
    }

    /// Returns the kind of an optional value; no word stands for nil.
    static func optional<Wrapped>(_ valueSchema: ValueSchema<Wrapped>) -> Self where Value == Wrapped? {
        Self(name: valueSchema.name, allowed: valueSchema.allowed, schema: valueSchema.schema) {
            $0.flatMap(valueSchema.write)
        } read: { node, diagnostics in
            valueSchema.read(node, &diagnostics).map(Wrapped?.some)
        }
    }

    /// Returns the kind of an optional value that `off` sets to nil.
    static func orOff<Wrapped>(_ valueSchema: ValueSchema<Wrapped>) -> Self where Value == Wrapped? {
        Self(
            name: valueSchema.name,
            allowed: "\(valueSchema.allowed), or `off`",
            schema: .object(["anyOf": .array([valueSchema.schema, .object(["const": .string("off")])])])
        ) {
            $0.map { valueSchema.write($0) } ?? "off"
        } read: { node, diagnostics in
            if case .scalar(let scalar) = node.content, scalar.text == "off" { return .some(nil) }
            return valueSchema.read(node, &diagnostics).map(Wrapped?.some)
        }
    }
}

extension ValueSchema where Value == Int {
    static func wholeNumber(_ range: ClosedRange<Int>) -> Self {
        let allowed = "\(range.lowerBound) to \(range.upperBound)"
        return Self(
            name: "whole number",
            allowed: allowed,
            schema: .object([
                "type": .string("integer"), "minimum": .integer(range.lowerBound),
                "maximum": .integer(range.upperBound),
            ]),
            write: { "\($0)" },
            read: { node, diagnostics in
                guard case .scalar(let scalar) = node.content, let number = Int(scalar.text), range.contains(number)
                else {
                    diagnostics.error(
                        at: node.location,
                        "\(node.typeMismatch): must be a whole number from \(allowed)"
                    )
                    return nil
                }
                guard scalar.isPlain else {
                    diagnostics.error(at: node.location, "unexpected quotes: write \(number) without quotes")
                    return nil
                }
                return number
            }
        )
    }

    /// A percentage.
    static func share(_ range: ClosedRange<Int>) -> Self {
        let example = "a whole number and %, from \(range.lowerBound)% to \(range.upperBound)%"
        return Self(
            name: "percentage",
            allowed: "`\(range.lowerBound)%` to `\(range.upperBound)%`",
            schema: .object(["type": .string("string"), "pattern": .string("^[0-9]+%$")]),
            example: example,
            write: { "\($0)%" },
            parse: { text in
                let digits = text.dropLast()
                guard text.last == "%", digits.allSatisfy({ ("0"..."9").contains($0) }), let share = Int(digits),
                    range.contains(share)
                else { throw ValueFormatError("must be \(example)") }
                return share
            }
        )
    }
}

extension ValueSchema where Value == Bool {
    static var boolean: Self {
        Self(
            name: "boolean",
            allowed: "`true` or `false`",
            schema: .object(["type": .string("boolean")]),
            write: { "\($0)" },
            read: { node, diagnostics in
                guard case .scalar(let scalar) = node.content, scalar.isPlain, let value = Bool(scalar.text) else {
                    diagnostics.error(at: node.location, "\(node.typeMismatch): must be true or false")
                    return nil
                }
                return value
            }
        )
    }
}

extension ValueSchema where Value == String {
    /// - Parameters:
    ///   - lengths: allowed lengths in bytes of UTF-8.
    ///   - example: the expected value, as the object of "must be".
    static func text(_ lengths: ClosedRange<Int>, example: String) -> Self {
        Self(
            name: "text",
            allowed: "\(lengths.lowerBound) to \(lengths.upperBound) bytes",
            // JSON Schema counts characters; a text never has more characters than bytes.
            schema: .object([
                "type": .string("string"), "minLength": .integer(min(1, lengths.lowerBound)),
                "maxLength": .integer(lengths.upperBound),
            ]),
            write: { $0 },
            read: { node, diagnostics in
                guard case .scalar(let scalar) = node.content, let type = node.scalarType, type != .nothing else {
                    diagnostics.error(at: node.location, "\(node.typeMismatch): must be \(example)")
                    return nil
                }
                guard type == .text else {
                    let taken = type == .number ? "a number" : "a boolean"
                    diagnostics.error(
                        at: node.location,
                        "YAML reads this as \(taken), but it must be text: write \"\(scalar.text)\" in quotes"
                    )
                    return nil
                }
                let count = scalar.text.utf8.count
                guard lengths.contains(count) else {
                    let allowed = "\(lengths.lowerBound) to \(lengths.upperBound)"
                    diagnostics.error(at: node.location, "invalid length of \(count) bytes: must be \(allowed)")
                    return nil
                }
                return scalar.text
            }
        )
    }
}

extension ValueSchema where Value: CaseIterable & RawRepresentable & Sendable, Value.RawValue == String {
    /// One of a fixed set of words.
    static var word: Self {
        let words = Value.allCases.map(\.rawValue)
        return Self(
            name: "word",
            allowed: words.map { "`\($0)`" }.joined(separator: ", "),
            schema: .object(["enum": .array(words.map(JSONValue.string))]),
            write: { $0.rawValue },
            read: { node, diagnostics in
                guard case .scalar(let scalar) = node.content, node.scalarType != .nothing else {
                    diagnostics.error(at: node.location, "\(node.typeMismatch): must be \(choice(of: words))")
                    return nil
                }
                guard let value = Value(rawValue: scalar.text) else {
                    let advice = advice(for: scalar.text, among: words)
                    diagnostics.error(at: node.location, "unknown value \(quoted(scalar.text)): \(advice)")
                    return nil
                }
                return value
            }
        )
    }
}

extension ValueSchema where Value == Duration {
    static func duration(_ range: ClosedRange<Duration> = .zero...DurationValue.longest) -> Self {
        var schemas: [JSONValue] = [.object(["type": .string("string"), "pattern": .string(DurationValue.pattern)])]
        if range.lowerBound == .zero { schemas.append(.object(["const": .integer(0)])) }
        let limits = "\(DurationValue(range.lowerBound)) to \(DurationValue(range.upperBound))"
        return Self(
            name: "duration",
            allowed: "`\(DurationValue(range.lowerBound))` to `\(DurationValue(range.upperBound))`",
            schema: schemas.count == 1 ? schemas[0] : .object(["anyOf": .array(schemas)]),
            example: "a duration from \(limits), such as 500ms or 1m30s",
            write: { DurationValue($0).description },
            parse: { try DurationValue(parsing: $0, in: range).duration }
        )
    }

    /// A duration in whole seconds, for settings that the kernel stores in seconds.
    static func wholeSeconds(_ range: ClosedRange<Duration>) -> Self {
        let valueSchema = duration(range)
        return Self(
            name: valueSchema.name,
            allowed: "\(valueSchema.allowed), in whole seconds",
            schema: valueSchema.schema
        ) {
            valueSchema.write($0)
        } read: { node, diagnostics in
            guard let duration = valueSchema.read(node, &diagnostics) else { return nil }
            guard duration.components.attoseconds == 0 else {
                diagnostics.error(at: node.location, "must be in whole seconds, such as 60s")
                return nil
            }
            return duration
        }
    }
}

extension ValueSchema where Value == ServiceAddress {
    /// An address to listen on; port 0 selects a free port.
    static var address: Self {
        Self(
            name: "address",
            allowed: "`host:port`, `[ipv6]:port`, `:port` or `unix:/path`",
            schema: .object(["type": .string("string"), "pattern": .string("^(unix:.|.*:[0-9]+$)")]),
            example: "an address, such as 127.0.0.1:5432 or unix:/run/app.sock",
            write: { $0.description },
            parse: { try ServiceAddress(parsing: $0) }
        )
    }
}

extension ValueSchema where Value == ServerAddress {
    /// An address to connect to.
    static var serverAddress: Self {
        let address = ValueSchema<ServiceAddress>.address
        var valueSchema = Self(
            name: address.name,
            allowed: "`host:port`, `[ipv6]:port`, `unix:/path` or `srv:name`",
            schema: .object(["type": .string("string"), "pattern": .string("^(unix:.|srv:.|.*:[0-9]+$)")]),
            example: "an address, such as 127.0.0.1:5432 or unix:/run/app.sock",
            write: { $0.description },
            parse: { try ServerAddress(parsing: $0) }
        )
        let read = valueSchema.read
        valueSchema.read = { node, diagnostics in
            guard let address = read(node, &diagnostics) else { return nil }
            guard address.port != 0 else {
                diagnostics.error(
                    at: node.location,
                    "invalid port 0: must be the port that the server listens on"
                )
                return nil
            }
            return address
        }
        return valueSchema
    }
}

extension ValueSchema where Value == InternetAddress {
    /// Address of a name server.
    static var resolver: Self {
        Self(
            name: "address",
            allowed: "`ip:port` or `[ipv6]:port`",
            schema: .object(["type": .string("string"), "pattern": .string(":[0-9]+$")]),
            example: "the IP address and port of a name server, such as 10.0.0.53:53",
            write: { $0.description },
            parse: { try InternetAddress(nameServer: $0) }
        )
    }
}
