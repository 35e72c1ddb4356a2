import Randomness
import Testing

@testable import LoadBalancer

/// Malformed and hostile input. Each error is reported on one line, and the process continues.
@Suite("Malformed configuration files")
struct BadInputTests {
    @Test("random changes of a file are reported on one line each")
    func randomChanges() {
        var random = SplitMix64(seed: 1)
        let seeds = [Transcripts.long, Transcripts.well].map { Array($0.utf8) }
        let pieces = [
            "*", "&a ", "*a", "? ", "- ", ": ", "[", "]", "{", "}", "\"", "'", "\n", "\t", "|\n", "!!int ", "<<: ", "#",
            "\u{E000}", "\u{0}", "%", "---\n", "5", "off", "\\",
        ]
        .map { Array($0.utf8) }
        for _ in 0..<600 {
            var bytes = seeds[random.next(below: seeds.count)]
            for _ in 0...random.next(below: 4) {
                let position = random.next(below: bytes.count)
                switch random.next(below: 4) {
                case 0: bytes.removeSubrange(position..<min(bytes.count, position + 1 + random.next(below: 20)))
                case 1: bytes.insert(contentsOf: pieces[random.next(below: pieces.count)], at: position)
                case 2: bytes[position] = UInt8(truncatingIfNeeded: random.next(below: 256))
                default:
                    bytes.insert(
                        contentsOf: bytes[position..<min(bytes.count, position + random.next(below: 40))],
                        at: position
                    )
                }
                if bytes.isEmpty { bytes = [0x20] }
            }
            do throws(ConfigurationError) {
                _ = try ConfigurationFile(parsing: bytes)
            } catch {
                #expect(!error.diagnostics.isEmpty)
                for diagnostic in error.diagnostics {
                    let lines = diagnostic.description.split(whereSeparator: \.isNewline).count
                    #expect(lines == 1, "\(diagnostic)")
                    #expect(diagnostic.location.line >= 1 && diagnostic.location.column >= 1, "\(diagnostic)")
                }
            }
        }
    }

    @Test(
        "deep nesting is rejected",
        arguments: [
            String(repeating: "[", count: 5000), String(repeating: "{a: ", count: 5000),
            String(repeating: "- ", count: 5000),
            String(repeating: "? ", count: 5000),
            (0..<1100).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
        ]
    )
    func deepNesting(text: String) {
        let messages = messages(text)
        #expect(messages.count == 1)
        #expect(messages.first?.contains("nest") == true, "\(messages)")
    }

    @Test("the error of too deep nesting names the limit")
    func nestingLimit() {
        let text = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(messages("threads: \(text)\n").contains { $0.contains("nested too deeply: at most 16 levels") })
    }

    /// Each line expands to ten times the one before.
    @Test("aliases that expand exponentially are rejected")
    func aliases() {
        let bomb = (1...12).map { line in
            "a\(line): &a\(line) [\(Array(repeating: "*a\(line - 1)", count: 10).joined(separator: ", "))]\n"
        }
        let messages = messages("a0: &a0 x\n" + bomb.joined())
        #expect(messages.contains { $0.contains("aliases expand to more than 20000 values: write some of them out") })
    }

    /// Yams alone would process each key of this once per value in its expansion.
    @Test("aliases in keys are rejected")
    func aliasesInKeys() {
        let bomb = (1...30).map { "a\($0): &a\($0) {? [*a\($0 - 1), *a\($0 - 1)] : 1}\n" }
        let messages = messages("a0: &a0 x\n" + bomb.joined())
        #expect(messages.contains { $0.contains("invalid key: must be plain text") })
    }

    @Test("a file that is too long is rejected")
    func length() {
        let comment = Array(repeating: UInt8(ascii: "#"), count: ConfigurationFile.maxBytes + 1)
        #expect(messages(comment) == ["1:1: error: the file has 4194305 bytes: at most 4194304 are allowed"])
    }

    @Test("bytes that are not UTF-8 are reported with their line")
    func encoding() {
        #expect(
            messages(Array("threads: 2\ngrace: ".utf8) + [0xFF, 0x0A])
                == ["2:1: error: this line is not UTF-8: save the file as UTF-8"]
        )
    }

    @Test("the text of a problem beyond the limit is not computed, and reading ends")
    func boundedProblems() {
        var diagnostics = Diagnostics()
        var texts = 0
        func text() -> String {
            texts += 1
            return "problem \(texts)"
        }
        let start = SourceLocation(line: 1, column: 1)
        for _ in 0..<(ConfigurationFile.maxProblems + Diagnostics.maxSuppressed - 1) {
            diagnostics.error(at: start, text())
        }
        #expect(texts == ConfigurationFile.maxProblems)
        #expect(!diagnostics.isExhausted)
        diagnostics.error(at: start, text())
        #expect(diagnostics.isExhausted)
    }

    @Test(
        "reading a file of many mistakes ends after a bounded number of them",
        arguments: [
            (0..<20_000).map { "key\($0): 1\n" }.joined(),
            "listeners:\n" + (0..<1000).map { "  a\($0): {list: 1, poool: 2, c: 3, d: 4, e: 5, f: 6}\n" }.joined(),
            "pools:\n  p:\n    servers:\n" + String(repeating: "    - {adress: 1, wait: 2, back: 3}\n", count: 1000),
            "listeners:\n  a:\n    allow: [" + String(repeating: "x, ", count: 9000) + "x]\n",
            "a: &a \"" + String(repeating: "x", count: 150_000) + "\"\nlisteners:\n  a:\n    allow: ["
                + String(repeating: "*a, ", count: 9000) + "*a]\n",
            "listeners:\n  a:\n    sni:\n" + (0..<9000).map { "      \"a b\($0)\": 5\n" }.joined(),
            "a: {" + String(repeating: "[", count: 5) + String(repeating: ":", count: 150_000) + "\n",
        ]
    )
    func manyMistakes(text: String) {
        let error = #expect(throws: ConfigurationError.self) { try ConfigurationFile(parsing: Array(text.utf8)) }
        #expect((error?.diagnostics.count ?? 0) <= ConfigurationFile.maxProblems)
        #expect((error?.suppressed ?? 0) <= Diagnostics.maxSuppressed + 16)
    }

    @Test(
        "a long text is parsed again for fewer duplicate keys",
        arguments: [(1, 32), (16 << 10, 32), (128 << 10, 4), (1 << 20, 0)]
    )
    func readings(bytes: Int, readings: Int) {
        #expect(YAMLDocument.maxReadings(ofBytes: bytes) == readings)
    }

    @Test("a key of a long mapping is found, and the first of two with one name")
    func longMappings() throws {
        var diagnostics = Diagnostics()
        let text = (0..<100).map { "k\($0): v\($0)\n" }.joined()
        let node = try #require(YAMLDocument.read(text, diagnostics: &diagnostics))
        for index in 0..<100 {
            guard case .scalar(let scalar) = node["k\(index)"]?.content else {
                Issue.record("k\(index) is missing")
                continue
            }
            #expect(scalar.text == "v\(index)")
        }
        #expect(node["k100"] == nil)
    }

    @Test(
        "a zero byte in a text that the system receives is rejected",
        arguments: ["access-log", "admin-token-file", "user", "group"]
    )
    func zeroBytes(key: String) {
        let text =
            "\(key): \"a\\0b\"\nlisteners: {a: {listen: '127.0.0.1:1', pool: p}}\n"
            + "pools: {p: {servers: ['10.0.0.1:1']}}\n"
        let messages = messages(text)
        #expect(messages.count == 1)
        #expect(messages.first?.contains("error: \(key): ") == true && messages.first?.contains("zero byte") == true)
    }

    @Test("many duplicate keys are summarized in one error")
    func duplicateKeys() {
        let keys = (0..<40).map { "k\($0): 1\n" }.joined()
        let messages = messages(keys + keys)
        #expect(messages.count == 1)
        #expect(messages.first?.contains("duplicate keys: ") == true)
        #expect(messages.first?.hasSuffix(": keep one of each") == true)
    }
}
