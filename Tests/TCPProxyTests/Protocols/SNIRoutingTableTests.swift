import Randomness
import Sockets
import Testing

@testable import TCPProxy

@Suite("SNI routing table")
struct SNIRoutingTableTests {
    private func table(_ names: [String]) throws -> SNIRoutingTable<String> {
        try SNIRoutingTable(names.map { (try SNIPattern(parsing: $0), $0) }, otherwise: "-")
    }

    private func find(_ name: String, in table: SNIRoutingTable<String>) -> String {
        Array(name.utf8).withUnsafeBytes { table.value(for: $0) }
    }

    @Test("exact names match before wildcards, longer wildcards before shorter, then the default")
    func precedence() throws {
        let table = try table([
            "*.example.com", "www.example.com", "*.b.example.com", "*.com", "example.com", "*.c.b.example.com",
            "localhost",
        ])
        let expected = [
            ("www.example.com", "www.example.com"), ("example.com", "example.com"), ("a.example.com", "*.example.com"),
            ("x.www.example.com", "*.example.com"), ("b.example.com", "*.example.com"),
            ("a.b.example.com", "*.b.example.com"), ("y.a.b.example.com", "*.b.example.com"),
            ("c.b.example.com", "*.b.example.com"), ("a.c.b.example.com", "*.c.b.example.com"), ("other.com", "*.com"),
            ("com", "-"), ("localhost", "localhost"), ("a.localhost", "-"), ("aexample.com", "*.com"),
            ("example.org", "-"),
            (".example.com", "*.com"), ("a", "-"), ("", "-"), (".", "-"),
        ]
        for (name, value) in expected { #expect(find(name, in: table) == value, "\(name)") }
        #expect(table.value(for: nil) == "-")
    }

    @Test("an exact name does not match its wildcard, nor the reverse")
    func kinds() throws {
        #expect(find("a.example.com", in: try table(["example.com"])) == "-")
        #expect(find("example.com", in: try table(["*.example.com"])) == "-")
        #expect(find("anything", in: try table([])) == "-")
    }

    @Test("lookups agree with a linear search of all names")
    func againstNaive() throws {
        var generator = SplitMix64(seed: 7)
        func name() -> String {
            (0..<Int.random(in: 1...4, using: &generator))
                .map { _ in ["a", "b", "c", "dd", "e-e"].randomElement(using: &generator)! }
                .joined(separator: ".")
        }
        for _ in 0..<200 {
            var patterns: Set<String> = []
            for _ in 0..<Int.random(in: 0...40, using: &generator) {
                patterns.insert(Bool.random(using: &generator) ? name() : "*.\(name())")
            }
            let table = try table(Array(patterns))
            for _ in 0..<50 {
                let name = name()
                let wildcard = patterns.filter { $0.hasPrefix("*") && name.hasSuffix($0.dropFirst()) }
                    .max { $0.utf8.count < $1.utf8.count }
                #expect(find(name, in: table) == (patterns.contains(name) ? name : wildcard ?? "-"))
            }
        }
    }

    @Test("valid patterns are parsed, and errors describe invalid ones")
    func patterns() throws {
        let pattern = try SNIPattern(parsing: "*.Example.COM.")
        #expect(pattern.name == "example.com")
        #expect(pattern.isWildcard)
        #expect(pattern.description == "*.example.com")
        #expect(try SNIPattern(parsing: "DB-1.internal.").description == "db-1.internal")
        let bad: [(String, SNIPatternError.Problem)] = [
            ("", .badName), (".", .badName), ("a..b", .badName), ("a b", .badName), ("*", .asterisk), ("*.", .badName),
            ("*.*.a", .asterisk), ("a.*.b", .asterisk), ("*a.b", .asterisk), ("www.*", .asterisk),
            ("10.0.0.1", .address),
            ("::1", .address), ("b\u{FC}cher.example", .notASCII),
            (String(repeating: "a", count: 64), .badName), ("https://a.example", .address), ("a\0", .badName),
        ]
        for (text, problem) in bad {
            #expect(throws: SNIPatternError(text: text, problem: problem), "\(text)") {
                try SNIPattern(parsing: text)
            }
            #expect(SNIPatternError(text: text, problem: problem).description.contains("'\(text)'"))
        }
    }

    @Test("a duplicate name is rejected, regardless of case")
    func repeated() throws {
        let twice = SNIRoutingTableError.repeated(try SNIPattern(parsing: "*.a.example"))
        #expect(throws: twice) { try table(["*.a.example", "a.example", "*.A.example."]) }
        #expect(twice.description.contains("'*.a.example'"))
    }
}
