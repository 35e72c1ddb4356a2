import Foundation
import Glibc
import Support
import Testing

@Suite("SIGHUP and SIGUSR1", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct SignalTests {
    @Test(
        "neither signal ends a serving process, which logs that it ignores it",
        arguments: ["proxy", "balance", "echo"]
    )
    func ignored(command: String) async throws {
        let server = try TestListener()
        let arguments =
            switch command {
            case "echo": ["echo", "127.0.0.1:0"]
            default: [command, "127.0.0.1:0", "\(server.address)", "--admin", "off"]
            }
        try await withProgram([monkeyPath] + arguments) { program in
            _ = try program.outputLine { $0.contains("istening on ") }
            for (signal, name) in [(SIGHUP, "SIGHUP"), (SIGUSR1, "SIGUSR1"), (SIGHUP, "SIGHUP")] {
                let before = program.outputLines.count { $0.hasPrefix("\(name) ignored: ") }
                try program.signal(signal)
                try await eventually("a line about \(name)") {
                    program.outputLines.count { $0.hasPrefix("\(name) ignored: ") } == before + 1
                }
            }
            try program.signal(SIGTERM)
            #expect(try program.waitForExit() == .code(0))
        }
    }
}

@Suite("PID file", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct PIDFileTests {
    @Test("the file holds the process ID while the process serves, and replaces an older one")
    func lifecycle() async throws {
        let server = try TestListener()
        try await withScratchFolder { folder in
            let path = "\(folder)/monkey.pid"
            try "1\n".write(toFile: path, atomically: false, encoding: .utf8)
            try await withProxy(to: server, ["--pid-file", path]) { proxy in
                #expect(try String(contentsOfFile: path, encoding: .utf8) == "\(proxy.program.processID)\n")
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["monkey.pid"])
                try proxy.end()
            }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("at exit the file stays if it holds the ID of another process")
    func successor() async throws {
        let server = try TestListener()
        try await withScratchFolder { folder in
            let path = "\(folder)/monkey.pid"
            try await withProxy(to: server, ["--pid-file", path]) { proxy in
                try "1\n".write(toFile: path, atomically: true, encoding: .utf8)
                try proxy.end()
            }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "1\n")
        }
    }

    @Test("a file that cannot be written is an error that names it")
    func unwritable() async throws {
        let path = "/no/such/folder/pid"
        try await runMonkey(["proxy", "127.0.0.1:0", "127.0.0.1:1", "--admin", "off", "--pid-file", path])
            .expectFailure(naming: path)
    }
}
