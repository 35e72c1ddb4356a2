import Sockets
import ValueFormats

/// Kind of value: its parser, formatter, documentation and JSON Schema.
struct ValueSchema<Value>: Sendable {
    /// Name in the documentation.
    var name: String
    /// Allowed values, in Markdown, if the definition of the setting does not state them.
    var allowed: String?
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
        allowed: String? = nil,
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

    /// Returns the kind of a value with a text format of its own.
    ///
    /// - Parameters:
    ///   - pattern: regular expression that matches all valid texts, for JSON Schema.
    ///   - example: the expected value, as the object of "must be".
    ///   - parse: throws an error that describes the expected format.
    static func formatted(
        _ name: String,
        matching pattern: String,
        allowed: String? = nil,
        example: String,
        parse: @escaping @Sendable (String) throws -> Value
    ) -> Self where Value: CustomStringConvertible {
        let schema = JSONValue.text(matching: pattern)
        return Self(name: name, allowed: allowed, schema: schema, example: example, write: \.description, parse: parse)
    }

    /// Returns the kind whose values must also meet a condition.
    ///
    /// - Parameter problem: returns the error of a value; nil if it is valid.
    func accepting(_ problem: @escaping @Sendable (Value) -> String?) -> Self {
        var valueSchema = self
        valueSchema.read = { node, diagnostics in
            guard let value = read(node, &diagnostics) else { return nil }
            guard let problem = problem(value) else { return value }
            diagnostics.error(at: node.location, problem)
            return nil
        }
        return valueSchema
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
            allowed: valueSchema.allowed.map { "\($0), or `off`" },
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
                guard scalar.isUntyped else {
                    diagnostics.error(at: node.location, "unexpected quotes: write \(number) without quotes")
                    return nil
                }
                return number
            }
        )
    }

    /// The permissions of a file.
    static var fileMode: Self {
        Self(
            name: "octal number",
            schema: .object([
                "anyOf": .array([
                    .text(matching: "^[0-7]{3,4}$"), .object(["type": .string("integer")]),
                ])
            ]),
            example: "octal digits, such as 0660",
            write: { FileMode.text($0) },
            parse: { text in
                guard let mode = FileMode.parse(text) else {
                    throw ValueFormatError("must be octal digits, such as 0660")
                }
                return mode
            }
        )
    }

    /// A percentage.
    static func share(_ range: ClosedRange<Int>) -> Self {
        let example = "a whole number and %, from \(range.lowerBound)% to \(range.upperBound)%"
        return Self(
            name: "percentage",
            schema: .text(matching: "^[0-9]+%$"),
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
                guard case .scalar(let scalar) = node.content, scalar.isUntyped, let value = Bool(scalar.text) else {
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
    ///   - allowsZeroBytes: whether the text may contain zero bytes, at which C functions would truncate it.
    ///   - example: the expected value, as the object of "must be".
    static func text(_ lengths: ClosedRange<Int>, allowsZeroBytes: Bool = false, example: String) -> Self {
        Self(
            name: "text",
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
                guard allowsZeroBytes || !scalar.text.utf8.contains(0) else {
                    diagnostics.error(at: node.location, "\(quoted(scalar.text)) contains a zero byte: remove it")
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
    static func duration(_ range: ClosedRange<Duration> = .zero...DurationValue.maxDuration) -> Self {
        var schemas = [JSONValue.text(matching: DurationValue.pattern)]
        if range.lowerBound == .zero { schemas.append(.object(["const": .integer(0)])) }
        let limits = "\(DurationValue(range.lowerBound)) to \(DurationValue(range.upperBound))"
        return Self(
            name: "duration",
            schema: schemas.count == 1 ? schemas[0] : .object(["anyOf": .array(schemas)]),
            example: "a duration from \(limits), such as 500ms or 1m30s",
            write: { DurationValue($0).description },
            parse: { try DurationValue(parsing: $0, in: range).duration }
        )
    }

    /// A duration in whole seconds, for settings that the kernel stores in seconds.
    static func wholeSeconds(_ range: ClosedRange<Duration>) -> Self {
        duration(range).accepting { duration in
            duration.components.attoseconds == 0 ? nil : "must be in whole seconds, such as 60s"
        }
    }
}

extension ValueSchema where Value == ServiceAddress {
    /// An address to listen on; port 0 selects a free port.
    static var address: Self {
        .formatted("address", matching: "^(unix:.|.*:[0-9]+$)", example: addressExample) {
            try ServiceAddress(parsing: $0)
        }
    }
}

extension ValueSchema where Value == ServerAddress {
    /// An address to connect to.
    static var serverAddress: Self {
        let allowed = "`host:port`, `[ipv6]:port`, `unix:/path` or `srv:name`"
        return .formatted(
            "address",
            matching: "^(unix:.|srv:.|.*:[0-9]+$)",
            allowed: allowed,
            example: addressExample
        ) {
            try ServerAddress(parsing: $0)
        }
        .accepting { $0.port == 0 ? "invalid port 0: must be the port that the server listens on" : nil }
    }
}

private let addressExample = "an address, such as 127.0.0.1:5432 or unix:/run/app.sock"

extension ValueSchema where Value == InternetAddress {
    /// Address of a name server.
    static var resolver: Self {
        let example = "the IP address and port of a name server, such as 10.0.0.53:53"
        return .formatted("address", matching: ":[0-9]+$", example: example) { try InternetAddress(nameServer: $0) }
    }
}

extension JSONValue {
    /// JSON Schema of a text that matches a regular expression.
    static func text(matching pattern: String) -> Self {
        .object(["type": .string("string"), "pattern": .string(pattern)])
    }
}
