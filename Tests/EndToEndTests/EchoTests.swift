import Glibc
import Support
import Testing

@Suite("monkey echo", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct EchoTests {
    private func withEcho<Value>(
        on listen: TestAddress = .loopback,
        _ options: [String] = [],
        _ body: (RunningProgram, TestAddress) async throws -> Value
    ) async throws -> Value {
        try await withProgram([monkeyPath, "echo", "\(listen)"] + options) { program in
            let address = try program.output(after: "Echo server listening on ")
            return try await body(program, #require(TestAddress(address)))
        }
    }

    @Test("16 MiB and the FIN after them are echoed unaltered", arguments: [1, 2])
    func bulk(threads: Int) async throws {
        let pattern = Pattern(seed: 81)
        try await withEcho(["--threads", "\(threads)"]) { program, address in
            let client = try TestSocket.connect(to: address)
            async let sending: Void = {
                try client.send(pattern, count: 16 << 20)
                try client.finish()
            }()
            let received = try client.receiveRest(of: pattern)
            #expect(received == (16 << 20, .fin))
            try await sending
        }
    }

    @Test("The counters are printed at exit", arguments: [SIGINT, SIGTERM])
    func counters(signal: Int32) async throws {
        try await withEcho { program, address in
            for _ in 0..<3 {
                let client = try TestSocket.connect(to: address)
                try client.send(Array(repeating: 1, count: 512))
                try client.finish()
                #expect(try client.receiveRest().bytes.count == 512)
            }
            try program.signal(signal)
            #expect(try program.waitForExit() == .code(0))
            let last = try #require(program.outputLines.last)
            #expect(last.contains("1.5KB"))
            #expect(last.contains("3 connections"))
            #expect(program.errorLines == [])
        }
    }

    @Test("monkey echo drains like the proxy")
    func drain() async throws {
        try await withEcho(["--grace", "10m"]) { program, address in
            let client = try TestSocket.connect(to: address)
            try client.send("before")
            try client.receive("before")
            try program.signal(SIGTERM)
            try await expectRefusal(at: address)
            try client.send("after")
            try client.receive("after")
            try client.finish()
            #expect(try client.receiveRest() == .init(bytes: [], end: .fin))
            #expect(try program.waitForExit() == .code(0))
        }
        for (options, signals) in [(["--grace", "200ms"], 1), (["--grace", "10m"], 2)] {
            try await withEcho(options) { program, address in
                let client = try TestSocket.connect(to: address)
                try client.send("hello")
                try client.receive("hello")
                for number in 1...signals {
                    // Two pending signals of the same number are merged into one.
                    if number > 1 { try await expectRefusal(at: address) }
                    try program.signal(SIGTERM)
                }
                #expect(try program.waitForExit() == .code(0))
                #expect(try client.receiveRest() == .init(bytes: [], end: .reset))
            }
        }
    }

    @Test("IPv6 and Unix sockets work")
    func addresses() async throws {
        try await withScratchFolder { folder in
            for listen in [TestAddress.loopback6, .unix(path: "\(folder)/echo")] {
                try await withEcho(on: listen) { _, address in
                    let client = try TestSocket.connect(to: address)
                    try client.send("hello")
                    try client.finish()
                    #expect(try client.receiveRest() == .init(bytes: Array("hello".utf8), end: .fin))
                }
            }
        }
    }

    @Test("A port in use is an error that names it")
    func portInUse() async throws {
        let owner = try TestListener()
        try await runMonkey(["echo", "\(owner.address)"]).expectFailure(naming: "\(owner.address)")
    }

    @Test("A client that never reads does not increase memory use without bound")
    func stalledReader() async throws {
        try await withEcho { program, address in
            let process = ProcessView(program.processID)
            let client = try TestSocket.connect(to: address, receiveBuffer: 8192)
            try client.send("hello")
            try client.receive("hello")
            let before = try process.anonymousMemory
            _ = try await sendUntilStuck([client], Pattern(seed: 82))
            #expect(try process.anonymousMemory - before < 1 << 20)
        }
    }
}
