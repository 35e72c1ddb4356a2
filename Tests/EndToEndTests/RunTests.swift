import Foundation
import Support
import Testing

@Suite("monkey run", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct RunTests {
    @Test("Each listener in the file serves its own pool")
    func listeners() async throws {
        let servers = try (0..<2).map { _ in try TestListener() }
        try await withScratchFolder { folder in
            let path = "\(folder)/monkey.yaml"
            let text = """
                admin: off
                listeners:
                  first: {listen: '127.0.0.1:0', pool: a}
                  second: {listen: '127.0.0.1:0', pool: b}
                pools:
                  a: {servers: ['\(servers[0].address)']}
                  b: {servers: ['\(servers[1].address)'], policy: least-connections}
                """
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            try await withProgram([monkeyPath, "run", path]) { program in
                #expect(try program.output(after: "Forwarding to ") == "a, b")
                let prefix = "Proxy listening on "
                let addresses = program.outputLines.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
                try #require(addresses.count == 2)
                for (server, address) in zip(servers, addresses) {
                    let client = try TestSocket.connect(to: #require(TestAddress(String(address))))
                    try RelayedPair(client: client, server: server.accept()).exchange()
                }
                try program.signal(SIGTERM)
                let exit = try program.waitForExit()
                #expect(exit == .code(0))
            }
        }
    }

    @Test("An invalid file is reported as by monkey check, and nothing is started")
    func mistakes() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/monkey.yaml"
            try "listeners: {}\n".write(toFile: path, atomically: false, encoding: .utf8)
            let run = try await runMonkey(["run", path])
            let check = try await runMonkey(["check", path])
            #expect(run.exit == .code(1))
            #expect(run.errors == check.errors)
            #expect(!run.errors.isEmpty)
            #expect(run.output == [])
        }
    }
}
