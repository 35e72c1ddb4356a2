import Foundation
import Support
import Testing

@Suite("monkey check", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct CheckTests {
    /// Runs `monkey check` with a file of this content, and passes the file's path and the result to `body`.
    private func check(_ text: String, _ body: (_ path: String, FinishedRun) throws -> Void) async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/monkey.yaml"
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            try body(path, try await runMonkey(["check", path]))
        }
    }

    @Test("A file without errors is valid")
    func goodFile() async throws {
        let text = "listeners: {a: {listen: ':80', pool: p}}\npools: {p: {servers: ['10.0.0.1:80']}}\n"
        try await check(text) { path, result in
            #expect(result.exit == .code(0))
            #expect(result.output == ["\(path) is valid: 1 listener, 1 pool, 1 server"])
            #expect(result.errors == [])
        }
    }

    @Test("All errors are reported together with their lines, and the exit code is 1")
    func badFile() async throws {
        let text = "listeners:\n  a: {listen: ':80', pool: q}\npools:\n  p: {servers: ['10.0.0.1']}\n"
        try await check(text) { path, result in
            #expect(result.exit == .code(1))
            #expect(result.output == [])
            #expect(result.errors.count == 2)
            #expect(result.errors.first?.hasPrefix("\(path):2:28: error: listeners.a.pool: ") == true)
        }
    }

    @Test("A missing file and an oversized file are errors that name the file")
    func noFile() async throws {
        try await runMonkey(["check", "/no/such/file"]).expectFailure(naming: "/no/such/file")
        try await runMonkey(["check", "/dev/zero"]).expectFailure(naming: "cannot read /dev/zero: not a regular file")
        try await runMonkey(["check"]).expectFailure(code: 64, naming: "<file>")
    }

    @Test("A FIFO without a writer is an error for check and run, which do not wait for one")
    func fifo() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/fifo"
            #expect(mkfifo(path, 0o600) == 0)
            try await runMonkey(["check", path]).expectFailure(naming: "\(path): not a regular file")
            try await runMonkey(["run", path]).expectFailure(naming: "\(path): not a regular file")
            let load = ["load", "127.0.0.1:1", "--script", path]
            try await runMonkey(load).expectFailure(code: 2, naming: "\(path): not a regular file")
        }
    }

    @Test("With --resolve a name without an address is an error with its line")
    func resolve() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/monkey.yaml"
            let text = "listeners: {a: {listen: ':80', pool: p}}\npools:\n  p:\n    servers:\n"
            try (text + "    - localhost:81\n").write(toFile: path, atomically: false, encoding: .utf8)
            let good = try await runMonkey(["check", path, "--resolve"])
            #expect(good.output == ["\(path) is valid: 1 listener, 1 pool, 1 server; 1 name resolved"])
            let bad = "    - localhost:81\n    - no-such-host.invalid:81\n"
            try (text + bad).write(toFile: path, atomically: false, encoding: .utf8)
            #expect(try await runMonkey(["check", path]).exit == .code(0))
            let result = try await runMonkey(["check", path, "--resolve"])
            #expect(result.exit == .code(1))
            #expect(result.output == [])
            let prefix = "\(path):6:7: error: pools.p.servers[1]: cannot resolve 'no-such-host.invalid:81': "
            #expect(result.errors.count == 1 && result.errors[0].hasPrefix(prefix), "\(result.errors)")
        }
    }

    @Test("The schema is valid JSON")
    func schema() async throws {
        let result = try await runMonkey(["check", "--schema"])
        #expect(result.exit == .code(0))
        let schema = try JSONSerialization.jsonObject(with: Data(result.output.joined(separator: "\n").utf8))
        #expect((schema as? [String: Any])?["title"] as? String == "Configuration of monkey run")
    }
}
