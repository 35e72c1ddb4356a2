import ArgumentParser
import Testing

@testable import monkey

@Suite struct CheckCommandTests {
    private func check(_ text: String) -> ConfigurationCheck {
        ConfigurationCheck(of: Array(text.utf8), named: "monkey.yaml")
    }

    @Test func aGoodFileIsCounted() {
        let result = check(
            """
            listeners:
              a: {listen: "127.0.0.1:1", pool: p}
              b: {listen: "127.0.0.1:2", pool: p}
            pools:
              p: {servers: ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]}
            """
        )
        #expect(result.passed)
        #expect(result.problems == [])
        #expect(result.summary == "monkey.yaml is valid: 2 listeners, 1 pool, 3 servers")
    }

    @Test func eachMistakeHasTheFilesName() {
        let result = check("threads: 0\nlisteners: {a: {listen: \"127.0.0.1:1\", pool: p}}\nport: 5\n")
        #expect(!result.passed)
        #expect(result.problems.count == 3)
        #expect(result.problems.allSatisfy { $0.hasPrefix("monkey.yaml:") })
        #expect(result.problems.first?.hasPrefix("monkey.yaml:1:1: error: ") == true)
        #expect(result.problems.last?.hasPrefix("monkey.yaml:3:1: error: port: ") == true)
    }

    @Test func aWarningDoesNotFail() {
        let result = check(
            """
            listeners: {a: {listen: "127.0.0.1:1", pool: p}}
            pools:
              p: {servers: ["10.0.0.1:1"]}
              q: {servers: ["10.0.0.1:1"]}
            """
        )
        #expect(result.passed)
        #expect(
            result.problems == [
                "monkey.yaml:4:3: warning: pools.q: no listener uses this pool: name it in one, or take it out"
            ]
        )
    }

    @Test func whatIsTooMuchIsCounted() {
        let keys = (0..<150).map { "key\($0): 1\n" }.joined()
        let result = check(keys)
        #expect(result.problems.count == 101)
        #expect(result.problems.last == "monkey.yaml: and 52 more")
    }

    @Test(arguments: [["check"], ["check", "a.yaml", "--schema"], ["check", "a.yaml", "b.yaml"]])
    func needsAFileOrTheSchema(arguments: [String]) {
        #expect(throws: (any Error).self) { try Monkey.parseAsRoot(arguments) }
    }
}
