import Foundation
import Testing
import ValueFormats

@testable import LoadBalancer

/// The JSON Schema compared with the parser: an editor must not mark a value that the parser accepts.
@Suite("JSON Schema of the configuration file")
struct SchemaTests {
    /// Scalars of all kinds, of which each key accepts a few.
    static let scalars = [
        "", "~", "0", "00", "1", "5", "64", "65", "100", "200", "600", "4096", "4097", "70000", "1000000", "9999999",
        "-1",
        "+5", "1.5", "1e3", "0x10", "true", "false", "True", "yes", "no", "on", "off", "Off", "auto", "copy", "splice",
        "up",
        "down", "unknown", "tcp", "http", "postgres", "redis", "send-expect", "keep", "close", "refuse", "try",
        "round-robin", "least-connections", "maglev", "first", "info", "debug", "text", "json", "0s", "0ms", "1ms",
        "10ms",
        "5s", "007s", "90s", "1500ms", "5m", "1h", "48h", "8760h", "8761h", "99999999999999999999s", "5", "5 s", "5S",
        "-5s",
        "0%", "1%", "50%", "100%", "101%", "50", "127.0.0.1:80", "127.0.0.1:0", "127.0.0.1", "'[::1]:80'", "'*:80'",
        ":80",
        "unix:/run/x.sock", "'unix:'", "db.example:5432", "db.example", "localhost:99999", "'5'", "'true'", "''", "' '",
        "\"a\\r\\nb\"", "/health", "200-399", "399-200", "200-", "name", "a b", "ä", String(repeating: "x", count: 65),
        "[]", "[127.0.0.1]", "['::1', 127.0.0.2]", "[5]", "[127.0.0.1:80]", "[{address: 127.0.0.1:80}]", "[[]]", "{}",
        "{a: {}}", "{type: tcp}", "{limit: 5}", "{limit: x}", "{window: 1s}", "{listen: ':80', pool: p}",
        "{servers: [':80']}", "{'a b': {}}", "{a: {listen: ':80', pool: p}}", "{a: {servers: ['h:80']}}",
        "100/s", "10/s,burst=50", "10/d", "64KiB", "10MB", "10Mbit", "16K", "1.5M", "10 MB", "1m30s", "1.5s", "30s1m",
        "500us", "required", "optional", "v1", "v2", "v3",
        "[{expect: a}]", "[{send: a, expect: b}, {expect: c}]", "200-299,304", "[200-299, 304]",
        "connect", "first-byte", "master", "queue",
        "[{certificate: a, key: b}]", "{certificates: [{certificate: a, key: b}]}", "{server-name: a.example}", "'1.3'",
        "refuse", "required", "system", "[h2]", "pass",
        "[10.0.0.0/8]", "{www.example.com: web}", "{'*.example.com': web}", "{'a b': web}",
    ]

    @Test("the schema accepts every value that the parser accepts")
    func agreesWithParser() throws {
        try check(ObjectSchema.root)
        try check(ObjectSchema.listener)
        try check(ObjectSchema.pool)
        try check(ObjectSchema.server)
        try check(ObjectSchema.check)
        try check(ObjectSchema.step)
        try check(ObjectSchema.ejection)
        try check(ObjectSchema.queue)
        try check(ObjectSchema.listenerTLS)
        try check(ObjectSchema.certificate)
        try check(ObjectSchema.poolTLS)
    }

    private func check<Entry>(_ section: ObjectSchema<Entry>) throws {
        for key in section.keys {
            var taken = 0
            var refusedByBoth = 0
            for scalar in Self.scalars {
                var diagnostics = Diagnostics()
                let node = try #require(YAMLDocument.read("\(key.name): \(scalar)\n", diagnostics: &diagnostics))
                let value = try #require(node[key.name], "\(key.name): \(scalar)")
                var entry = section.empty
                section.read(node, into: &entry, &diagnostics)
                let isTaken = !diagnostics.reported.contains { $0.path.hasPrefix(key.name) }
                let isValid = key.schema.allows(value.json)
                #expect(!isTaken || isValid, "the schema rejects \(key.name): \(scalar)")
                if isTaken { taken += 1 }
                if !isTaken, !isValid { refusedByBoth += 1 }
            }
            #expect(taken > 0, "no valid value was tried for \(key.name)")
            #expect(refusedByBoth > 0, "the schema of \(key.name) rejects no value")
        }
    }

    @Test(
        "the schema and the parser reject unknown and missing keys",
        arguments: [
            "thread: 2", "listeners: {a: {listen: ':80', pool: p, pol: q}}", "pools: {p: {server: [':80']}}",
            "pools: {p: {servers: [{adress: ':80'}]}}", "pools: {p: {servers: [':80'], check: {type: tcp, every: 1s}}}",
            "pools: {p: {servers: [':80'], ejection: {windows: 1s}}}",
            "pools: {p: {servers: [':80'], queue: {size: 1}}}",
            "threads: 2", "pools: {p: {servers: []}}", "pools: {}", "pools: {p: {check: {type: tcp}}}",
        ]
    )
    func unknownKeys(text: String) throws {
        var diagnostics = Diagnostics()
        let node = try #require(YAMLDocument.read(text, diagnostics: &diagnostics))
        var file = ConfigurationFile()
        ObjectSchema.root.read(node, into: &file, &diagnostics)
        #expect(diagnostics.hasErrors)
        #expect(!ObjectSchema.root.schema.allows(node.json))
    }

    @Test("the committed schema is current")
    func committedSchema() throws {
        let committed = try String(contentsOf: repository.appending(path: "docs/monkey.schema.json"), encoding: .utf8)
        #expect(committed == ConfigurationFile.schema, "run: monkey check --schema > docs/monkey.schema.json")
    }
}

extension YAMLNode {
    /// The type that an editor sees (YAML 1.2.2, 10.3.2).
    var json: JSONValue {
        switch content {
        case .list(let items): .array(items.map(\.json))
        case .mapping(let members): .object(JSONObject(members.map { ($0.name, $0.value.json) }))
        case .scalar(let scalar):
            switch scalarType {
            case .boolean: .boolean(scalar.text.lowercased() == "true")
            case .nothing: .null
            case .number: Int(scalar.text).map(JSONValue.integer) ?? .numeral(scalar.text)
            default: .string(scalar.text)
            }
        }
    }
}

extension JSONValue {
    /// Returns whether a value is valid by this schema; supports the JSON Schema keywords that our schema uses.
    func allows(_ value: JSONValue) -> Bool {
        guard case .object(let schema) = self else { return false }
        return schema.members.allSatisfy { member in
            let (word, rule) = (member.name, member.value)
            return switch (word, rule, value) {
            case ("description", _, _), ("title", _, _), ("$schema", _, _): true
            case ("type", .string(let type), _): value.is(type)
            case ("const", let constant, _): value == constant
            case ("enum", .array(let choices), _): choices.contains(value)
            case ("anyOf", .array(let schemas), _): schemas.contains { $0.allows(value) }
            case ("minimum", .integer(let least), .integer(let number)): number >= least
            case ("maximum", .integer(let most), .integer(let number)): number <= most
            case ("minLength", .integer(let least), .string(let text)): text.unicodeScalars.count >= least
            case ("maxLength", .integer(let most), .string(let text)): text.unicodeScalars.count <= most
            case ("pattern", .string(let pattern), .string(let text)):
                text.range(of: pattern, options: .regularExpression) != nil
            case ("minItems", .integer(let least), .array(let items)): items.count >= least
            case ("maxItems", .integer(let most), .array(let items)): items.count <= most
            case ("items", let schema, .array(let items)): items.allSatisfy(schema.allows)
            case ("minProperties", .integer(let least), .object(let object)): object.members.count >= least
            case ("maxProperties", .integer(let most), .object(let object)): object.members.count <= most
            case ("propertyNames", let schema, .object(let object)):
                object.members.allSatisfy { schema.allows(.string($0.name)) }
            case ("required", .array(let names), .object(let object)):
                names.allSatisfy { name in object.members.contains { .string($0.name) == name } }
            case ("properties", .object(let properties), .object(let object)):
                object.members.allSatisfy { properties[$0.name]?.allows($0.value) ?? true }
            case ("additionalProperties", let rule, .object(let object)):
                object.members.filter { schema["properties"]?[$0.name] == nil }
                    .allSatisfy { rule != .boolean(false) && rule.allows($0.value) }
            // These keywords do not apply to values of other types, which "type" rejects.
            case ("minimum", _, _), ("maximum", _, _), ("minLength", _, _), ("maxLength", _, _), ("pattern", _, _),
                ("minItems", _, _), ("maxItems", _, _), ("items", _, _), ("minProperties", _, _),
                ("maxProperties", _, _), ("propertyNames", _, _), ("required", _, _), ("properties", _, _),
                ("additionalProperties", _, _):
                true
            default: preconditionFailure("the test does not support \(word) in a schema")
            }
        }
    }

    private subscript(name: String) -> JSONValue? {
        if case .object(let object) = self { object[name] } else { nil }
    }

    private func `is`(_ type: String) -> Bool {
        switch (type, self) {
        case ("string", .string), ("integer", .integer), ("boolean", .boolean), ("array", .array), ("object", .object):
            true
        default: false
        }
    }
}
