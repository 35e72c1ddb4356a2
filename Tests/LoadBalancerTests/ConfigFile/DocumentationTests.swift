import Foundation
import Support
import TCPProxy
import Synchronization
import Testing

@testable import LoadBalancer

/// The root folder of the package.
let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

/// Checks docs/configuration.md against the key tables, and its examples against the parser.
@Suite("Documentation of the configuration file")
struct DocumentationTests {
    private let lines: [String]

    init() throws {
        let text = try String(contentsOf: repository.appending(path: "docs/configuration.md"), encoding: .utf8)
        lines = text.components(separatedBy: "\n")
    }

    @Test("the tables contain every key")
    func keyTables() {
        compare(ObjectSchema.root, under: "## Keys of the file")
        compare(ObjectSchema.listener, under: "## Keys of a listener")
        compare(ObjectSchema.route, under: "## Keys of a route")
        compare(ObjectSchema.listenerTLS, under: "## Keys of TLS of a listener")
        compare(ObjectSchema.certificate, under: "## Keys of a certificate")
        compare(ObjectSchema.poolTLS, under: "## Keys of TLS of a pool")
        compare(ObjectSchema.limits, under: "## Keys of limits")
        compare(ObjectSchema.pool, under: "## Keys of a pool")
        compare(ObjectSchema.server, under: "## Keys of a server")
        compare(ObjectSchema.check, under: "## Keys of a check")
        compare(ObjectSchema.step, under: "## Keys of a step")
        compare(ObjectSchema.ejection, under: "## Keys of an ejection")
        compare(ObjectSchema.queue, under: "## Keys of a queue")
    }

    private func compare<Entry>(_ section: ObjectSchema<Entry>, under heading: String) {
        let rest = lines.drop { $0 != heading }
        let table = rest.drop { !$0.hasPrefix("|") }.prefix { $0.hasPrefix("|") }
        let expected =
            ["| Key | Value | Allowed | Default | Meaning |", "|---|---|---|---|---|"] + section.keys.map(row)
        #expect(Array(table) == expected, "\(heading) should have:\n\(expected.joined(separator: "\n"))")
    }

    private func row<Entry>(_ key: KeySchema<Entry>) -> String {
        "| `\(key.name)` | \(key.valueSchema) | \(key.allowed) | \(key.standard) | \(key.help) |"
    }

    @Test("every example is valid", .needsTLS)
    func examples() throws {
        let examples = blocks("yaml").filter { lines[$0.line - 1] != "<!-- mistakes -->" }
        #expect(examples.count >= 8)
        // The examples include a folder that does not exist here.
        var context = ConfigurationFile.Context()
        context.environment = { _ in nil }
        context.list = { path in path == "conf.d" ? [] : nil }
        let certificates = Mutex<[Substring: TLSCertificate]>([:])
        context.readPEM = { path in
            if path.hasSuffix(".tickets") { return [UInt8](repeating: 7, count: 80) }
            // A certificate of its own for each pair of files, because two of the same names would be a warning.
            let name = path.dropLast(4)
            let certificate = certificates.withLock { certificates in
                let made = certificates[name] ?? (try? .selfSigned(name: "\(name).test", isAddress: false))
                certificates[name] = made
                return made!
            }
            return path.hasSuffix(".key") ? certificate.key.withUnsafeBytes { Array($0) } : certificate.chain.bytes
        }
        for example in examples {
            // There is no response for the certificate made here.
            let messages = messages(Array(example.text.utf8), in: context).filter { !$0.contains("OCSP response") }
            #expect(messages == [], "the example on line \(example.line + 1)")
        }
    }

    @Test("every key occurs in an example")
    func keysInExamples() throws {
        var used: Set<String> = []
        for example in blocks("yaml") {
            var diagnostics = Diagnostics()
            let node = try #require(YAMLDocument.read(example.text, diagnostics: &diagnostics))
            collect(node, into: &used)
        }
        let keys =
            ObjectSchema.root.keys.map(\.name) + ObjectSchema.listener.keys.map(\.name)
            + ObjectSchema.pool.keys.map(\.name)
            + ObjectSchema.server.keys.map(\.name) + ObjectSchema.check.keys.map(\.name)
            + ObjectSchema.ejection.keys.map(\.name)
            + ObjectSchema.queue.keys.map(\.name) + ObjectSchema.limits.keys.map(\.name)
            + ObjectSchema.listenerTLS.keys.map(\.name) + ObjectSchema.certificate.keys.map(\.name)
            + ObjectSchema.poolTLS.keys.map(\.name) + ObjectSchema.route.keys.map(\.name)
        for key in keys { #expect(used.contains(key), "\(key) is in no example") }
    }

    private func collect(_ node: YAMLNode, into names: inout Set<String>) {
        switch node.content {
        case .scalar: break
        case .list(let items): for item in items { collect(item, into: &names) }
        case .mapping(let members):
            for member in members {
                names.insert(member.name)
                collect(member.value, into: &names)
            }
        }
    }

    @Test("the documented errors are those that are reported")
    func errors() throws {
        let mistaken = try #require(blocks("yaml").first { lines[$0.line - 1] == "<!-- mistakes -->" })
        let shown = try #require(blocks("console").first)
        let reported = messages(mistaken.text).map { "monkey.yaml:\($0)" }
        #expect((["$ monkey check monkey.yaml"] + reported).joined(separator: "\n") + "\n" == shown.text)
    }

    private struct Block {
        /// Line of the opening fence, from 0.
        var line: Int
        var text: String
    }

    private func blocks(_ language: String) -> [Block] {
        lines.indices.filter { lines[$0] == "```\(language)" }.map { line in
            let body = lines[(line + 1)...].prefix { $0 != "```" }
            return Block(line: line, text: body.map { $0 + "\n" }.joined())
        }
    }
}
