import Foundation
import Support
import Testing

@Suite("monkey check", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct CheckTests {
    @Test("A file without errors is valid")
    func goodFile() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/monkey.yaml"
            let text = "listeners: {a: {listen: ':80', pool: p}}\npools: {p: {servers: ['10.0.0.1:80']}}\n"
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            let result = try await runMonkey(["check", path])
            #expect(result.exit == .code(0))
            #expect(result.output == ["\(path) is valid: 1 listener, 1 pool, 1 server"])
            #expect(result.errors == [])
        }
    }

    @Test("All errors are reported together with their lines, and the exit code is 1")
    func badFile() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/monkey.yaml"
            let text = "listeners:\n  a: {listen: ':80', pool: q}\npools:\n  p: {servers: ['10.0.0.1']}\n"
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            let result = try await runMonkey(["check", path])
            #expect(result.exit == .code(1))
            #expect(result.output == [])
            #expect(result.errors.count == 2)
            #expect(result.errors.first?.hasPrefix("\(path):2:28: error: listeners.a.pool: ") == true)
        }
    }

    @Test("A missing file and an oversized file are errors that name the file")
    func noFile() async throws {
        try await runMonkey(["check", "/no/such/file"]).expectFailure(naming: "/no/such/file")
        try await runMonkey(["check", "/dev/zero"]).expectFailure(naming: "cannot read /dev/zero: larger than 1 MiB")
        try await runMonkey(["check"]).expectFailure(code: 64, naming: "<file>")
    }

    @Test("The schema is valid JSON")
    func schema() async throws {
        let result = try await runMonkey(["check", "--schema"])
        #expect(result.exit == .code(0))
        let schema = try JSONSerialization.jsonObject(with: Data(result.output.joined(separator: "\n").utf8))
        #expect((schema as? [String: Any])?["title"] as? String == "Configuration of monkey run")
    }
}
