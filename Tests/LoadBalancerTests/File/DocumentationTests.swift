import Foundation
import Testing

@testable import LoadBalancer

/// The root folder of the package.
let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

/// Checks docs/configuration.md against the key tables, and its examples against the parser.
@Suite struct DocumentationTests {
    private let lines: [String]

    init() throws {
        let text = try String(contentsOf: repository.appending(path: "docs/configuration.md"), encoding: .utf8)
        lines = text.components(separatedBy: "\n")
    }

    @Test func everyKeyIsThere() {
        compare(Section.root, under: "## Keys of the file")
        compare(Section.listener, under: "## Keys of a listener")
        compare(Section.pool, under: "## Keys of a pool")
        compare(Section.server, under: "## Keys of a server")
        compare(Section.check, under: "## Keys of a check")
        compare(Section.ejection, under: "## Keys of an ejection")
        compare(Section.queue, under: "## Keys of a queue")
    }

    private func compare<Entry>(_ section: Section<Entry>, under heading: String) {
        let rest = lines.drop { $0 != heading }
        let table = rest.drop { !$0.hasPrefix("|") }.prefix { $0.hasPrefix("|") }
        let expected =
            ["| Key | Value | Allowed | Default | Meaning |", "|---|---|---|---|---|"] + section.keys.map(row)
        #expect(Array(table) == expected, "\(heading) should have:\n\(expected.joined(separator: "\n"))")
    }

    private func row<Entry>(_ key: Key<Entry>) -> String {
        "| `\(key.name)` | \(key.kind) | \(key.allowed) | \(key.standard) | \(key.help) |"
    }

    @Test func everyExampleIsWithoutMistakes() throws {
        let examples = blocks("yaml").filter { lines[$0.line - 1] != "<!-- mistakes -->" }
        #expect(examples.count >= 8)
        for example in examples { #expect(messages(example.text) == [], "the example on line \(example.line + 1)") }
    }

    @Test func everyKeyHasAnExample() throws {
        var used: Set<String> = []
        for example in blocks("yaml") {
            var problems = Problems()
            let node = try #require(YAMLDocument.read(example.text, problems: &problems))
            collect(node, into: &used)
        }
        let keys =
            Section.root.keys.map(\.name) + Section.listener.keys.map(\.name) + Section.pool.keys.map(\.name)
            + Section.server.keys.map(\.name) + Section.check.keys.map(\.name) + Section.ejection.keys.map(\.name)
            + Section.queue.keys.map(\.name)
        for key in keys { #expect(used.contains(key), "\(key) is in no example") }
    }

    private func collect(_ node: WrittenNode, into names: inout Set<String>) {
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

    @Test func theMistakesAreToldAsItSays() throws {
        let mistaken = try #require(blocks("yaml").first { lines[$0.line - 1] == "<!-- mistakes -->" })
        let shown = try #require(blocks("console").first)
        let told = messages(mistaken.text).map { "monkey.yaml:\($0)" }
        #expect((["$ monkey check monkey.yaml"] + told).joined(separator: "\n") + "\n" == shown.text)
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
