import Foundation
import Support
import TCPProxy
import Testing
import ValueFormats

@testable import LoadBalancer

@Suite("Included configuration files")
struct IncludeTests {
    /// Creates files in a folder and returns the configuration of `main.yaml`, or the messages.
    private func read(_ files: [String: String]) async throws -> (file: ConfigurationFile?, messages: [String]) {
        try await withScratchFolder { folder in
            for (path, text) in files {
                let url = URL(filePath: "\(folder)/\(path)")
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try text.write(to: url, atomically: false, encoding: .utf8)
            }
            let text = try #require(files["main.yaml"])
            let context = ConfigurationFile.Context(of: "\(folder)/main.yaml")
            do throws(ConfigurationError) {
                let file = try ConfigurationFile(parsing: Array(text.utf8), in: context)
                return (file, file.warnings.map { $0.line(in: "main.yaml").replacing("\(folder)/", with: "") })
            } catch {
                let lines = error.diagnostics.map { $0.line(in: "main.yaml").replacing("\(folder)/", with: "") }
                return (nil, lines)
            }
        }
    }

    /// Returns the errors, or the warnings if there are none.
    private func lines(_ text: String, _ context: ConfigurationFile.Context) -> [String] {
        do throws(ConfigurationError) {
            return try ConfigurationFile(parsing: Array(text.utf8), in: context).warningLines
        } catch {
            return error.lines
        }
    }

    private static let listener = "listeners: {a: {listen: '127.0.0.1:1', pool: p}}\n"

    @Test("the YAML files of a folder are added in the order of their names")
    func folder() async throws {
        let (file, messages) = try await read([
            "main.yaml": "include: [conf.d]\n" + Self.listener,
            "conf.d/20.yaml": "pools: {q: {servers: ['10.0.0.2:1']}}\nthreads: 3\n",
            "conf.d/10.yml": "pools: {p: {servers: ['10.0.0.1:1']}}\n",
            "conf.d/30.yaml": "listeners: {b: {listen: '127.0.0.1:2', pool: q}}\n",
            "conf.d/empty.yaml": "# nothing\n", "conf.d/.hidden.yaml": "threads: 9\n", "conf.d/notes.txt": "%%%",
        ])
        #expect(messages == [])
        #expect(file?.pools.map(\.name) == ["p", "q"])
        #expect(file?.listeners.map(\.name) == ["a", "b"])
        #expect(file?.threads == 3)
        #expect(file?.include == ["conf.d"])
    }

    @Test("files and patterns are relative to the file that names them")
    func paths() async throws {
        let (file, messages) = try await read([
            "main.yaml": "include: ['conf/*-pool.yaml', conf/all.yaml]\n" + Self.listener,
            "conf/x-pool.yaml": "pools: {p: {servers: ['10.0.0.1:1']}}\n", "conf/pool.yaml": "threads: 9\n",
            "conf/all.yaml": "include: [more/one.yaml]\ngrace: 1s\n", "conf/more/one.yaml": "threads: 2\n",
        ])
        #expect(messages == [])
        #expect(file?.threads == 2)
        #expect(file?.grace == .seconds(1))
    }

    @Test("errors name the file and the line")
    func errors() async throws {
        let (_, messages) = try await read([
            "main.yaml": "include: [a.yaml, b.yaml]\nthreads: x\n" + Self.listener,
            "a.yaml": "pools:\n  p: {servers: ['10.0.0.1:1', '10.0.0.1:1']}\nthreads: 2\n",
            "b.yaml": "pools:\n  p: {servers: ['10.0.0.2:1']}\n  q: {servers: ['10.0.0.2']}\n",
        ])
        let most = ProxyConfiguration.Settings.threads.values.numbers.upperBound
        #expect(
            messages == [
                "main.yaml:2:10: error: threads: invalid value 'x': must be a whole number from 1 to \(most)",
                "a.yaml:2:31: error: pools.p.servers[1]: duplicate server 10.0.0.1:1, first defined on line 2: keep one, with a weight if it should get more connections",
                "a.yaml:3:1: error: threads: duplicate key, first defined on line 2 of the main file: keep one of them",
                "b.yaml:2:3: error: pools.p: duplicate key, first defined on line 2 of a.yaml: keep one of them",
                "b.yaml:3:3: warning: pools.q: no listener uses this pool: refer to it in a listener, or remove it",
                "b.yaml:3:17: error: pools.q.servers[0]: '10.0.0.2' has no port: write it as host:port, such as 127.0.0.1:8080",
            ]
        )
    }

    @Test(
        "a file that cannot be included is reported where it is named",
        arguments: [
            ("none.yaml", "cannot read 'none.yaml': No such file or directory"),
            ("fifo", "cannot read 'fifo': not a regular file"), ("main.yaml/x", "cannot read 'main.yaml/x': "),
            ("no*such", "no file matches 'no*such'"), ("''", "invalid path ''"), ("\"a\\0\"", "invalid path 'a\\0'"),
        ]
    )
    func unreadable(path: String, message: String) async throws {
        let text = "include: [\(path)]\n" + Self.listener + "pools: {p: {servers: ['10.0.0.1:1']}}\n"
        let messages = try await withScratchFolder { folder in
            mkfifo("\(folder)/fifo", 0o600)
            try text.write(toFile: "\(folder)/main.yaml", atomically: false, encoding: .utf8)
            let context = ConfigurationFile.Context(of: "\(folder)/main.yaml")
            return lines(text, context).map { $0.replacing("\(folder)/", with: "") }
        }
        #expect(messages.count == 1)
        #expect(messages.first?.contains(": include") == true, "\(messages)")
        #expect(messages.first?.contains(message) == true, "\(messages)")
    }

    @Test("a file that is included twice, or includes itself, is an error")
    func cycles() async throws {
        let (_, messages) = try await read([
            "main.yaml": "include: [a.yaml, ./a.yaml]\n" + Self.listener,
            "a.yaml": "include: [b.yaml]\npools: {p: {servers: ['10.0.0.1:1']}}\n", "b.yaml": "include: [a.yaml]\n",
        ])
        let (_, own) = try await read(["main.yaml": "include: [.]\n" + Self.listener])
        #expect(own.last?.contains("includes itself: remove it from include") == true, "\(own)")
        #expect(messages.count == 2)
        #expect(messages.allSatisfy { $0.contains("is included twice") }, "\(messages)")
        #expect(messages.first?.hasPrefix("main.yaml:1:19: error: include[1]: ") == true, "\(messages)")
        #expect(messages.last?.hasPrefix("b.yaml:1:11: error: include[0]: ") == true, "\(messages)")
    }

    @Test("the number of files, their depth and their size are limited")
    func limits() {
        func messages(_ read: @escaping @Sendable (String) -> String) -> [String] {
            var context = ConfigurationFile.Context()
            context.read = { path in Array(read(path).utf8) }
            context.list = { path in path == "folder" ? (0..<300).map { "\($0).yaml" } : nil }
            context.identify = { $0 }
            let text = "include: [folder]\n" + Self.listener + "pools: {p: {servers: ['10.0.0.1:1']}}\n"
            return lines(text, context)
        }
        let many = messages { _ in "" }
        #expect(many.count == 1 && many[0].contains("too many included files: at most 256"), "\(many)")
        let deep = messages { path in
            path.hasPrefix("folder") ? "include: ['x/\(path)']" : "include: ['x/\(path.count)']"
        }
        #expect(deep.contains { $0.contains("include each other too deeply: at most 8") }, "\(deep)")
        let comment = "#" + String(repeating: "x", count: 1 << 19)
        let long = messages { _ in comment }
        #expect(long.contains { $0.contains("the files have more than 4194304 bytes together") }, "\(long)")
    }
}
