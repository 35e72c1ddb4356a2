import Foundation
import Glibc
import Support
import Synchronization
import Testing

/// What systemd expects of a service of the type `notify`, and how it passes sockets.
@Suite("Service manager", .ownThreads, .serialized, .timeLimit(.minutes(3)))
struct ServiceManagerTests {
    private func text(
        _ listeners: [String: String],
        to server: TestAddress,
        admin: String = "off"
    ) -> String {
        let entries = listeners.sorted { $0.key < $1.key }.map { "  \($0.key): { listen: '\($0.value)', pool: db }\n" }
        return """
            threads: 2
            admin: '\(admin)'
            listeners:
            \(entries.joined())pools:
              db: { servers: ['\(server)'] }

            """
    }

    private func withFile(_ text: String, _ body: (String) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let file = "\(folder)/monkey.yaml"
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            try await body(file)
        }
    }

    @Test("readiness, reloads, connections, the watchdog and the stop are reported to the service manager")
    func notifications() async throws {
        let receiver = try DatagramReceiver(isAbstract: true)
        let server = try TestListener()
        try await withFile(text(["web": "127.0.0.1:0"], to: server.address)) { file in
            let environment = ["env", "NOTIFY_SOCKET=\(receiver.address)", "WATCHDOG_USEC=400000"]
            try await withProgram(environment + [monkeyPath, "run", file]) { program in
                #expect(try receiver.receive() == "READY=1\nSTATUS=0 connections")
                let address = try #require(TestAddress(program.output(after: "Proxy listening on ")))
                let client = try TestSocket.connect(to: address)
                let accepted = try server.accept()
                #expect(try receiver.lines(with: "STATUS=1") == ["STATUS=1 connections"])
                #expect(try receiver.lines(with: "WATCHDOG") == ["WATCHDOG=1"])

                let before = monotonicMicroseconds
                try program.signal(SIGHUP)
                let reloading = try receiver.lines(with: "RELOADING")
                #expect(reloading.first == "RELOADING=1")
                let time = try #require(reloading.last?.split(separator: "=").last.flatMap { Int($0) })
                #expect(reloading.count == 2 && reloading.last?.hasPrefix("MONOTONIC_USEC=") == true)
                #expect((before...monotonicMicroseconds).contains(time))
                #expect(try receiver.lines(with: "READY") == ["READY=1"])

                try program.signal(SIGTERM)
                #expect(try receiver.lines(with: "STOPPING") == ["STOPPING=1"])
                // The watchdog also applies to a service that drains.
                #expect(try receiver.lines(with: "WATCHDOG") == ["WATCHDOG=1"])
                client.close()
                accepted.close()
                #expect(try program.waitForExit() == .code(0))
            }
        }
    }

    private var monotonicMicroseconds: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }

    // MARK: Socket activation

    /// Returns a command that runs `monkey` with sockets of the given names.
    private func activated(_ names: [String], _ arguments: [String]) -> [String] {
        // Only the process itself knows its number before it starts the program.
        let script = "export LISTEN_PID=$$; exec \"$@\""
        let environment = ["env", "LISTEN_FDS=\(names.count)", "LISTEN_FDNAMES=\(names.joined(separator: ":"))"]
        return ["sh", "-c", script, "sh"] + environment + [monkeyPath] + arguments
    }

    private func descriptors(_ listeners: [TestListener]) throws -> [Int32] {
        try listeners.map { try #require($0.descriptor) }
    }

    @Test("listeners and the admin endpoint use the sockets with their names, and leave them open")
    func activation() async throws {
        let server = try TestListener()
        try await withScratchFolder { folder in
            let path = "\(folder)/front.sock"
            let web = try TestListener()
            let front = try TestListener(on: .unix(path: path))
            let admin = try TestListener()
            let text = text(
                ["web": "\(web.address)", "front": "unix:\(path)"],
                to: server.address,
                admin: "\(admin.address)"
            )
            try await withFile(text) { file in
                let command = activated(["front", "admin", "web"], ["run", file])
                let passed = try descriptors([front, admin, web])
                try await withProgram(command, inheriting: passed) { program in
                    _ = try program.output(after: "Metrics on http://\(admin.address)/")
                    for address in [web.address, front.address] {
                        let client = try TestSocket.connect(to: address)
                        let pair = RelayedPair(client: client, server: try server.accept())
                        try pair.exchange()
                        pair.client.close()
                        pair.server.close()
                    }
                    #expect(try httpGet("/readyz", from: admin.address).status == 200)
                    try program.signal(SIGTERM)
                    #expect(try program.waitForExit() == .code(0))
                }
                // Clients are not refused, but wait for the next process.
                for listener in [web, front, admin] { try TestSocket.connect(to: listener.address).close() }
            }
        }
    }

    @Test("while the process restarts, no client is refused", arguments: ["127.0.0.1:0", "unix:"])
    func restart(at place: String) async throws {
        try await withScratchFolder { folder in
            let front = try TestListener(on: place == "unix:" ? .unix(path: "\(folder)/front.sock") : .loopback)
            try await withProgram([monkeyPath, "echo", "127.0.0.1:0"]) { echo in
                let server = try #require(TestAddress(echo.output(after: "Echo server listening on ")))
                try await withFile(text(["web": "\(front.address)"], to: server)) { file in
                    let clients = Clients(of: front.address)
                    let passed = try descriptors([front])
                    for _ in 0..<3 {
                        try await withProgram(activated(["web"], ["run", file]), inheriting: passed) { program in
                            let served = clients.served
                            try await eventually("exchanges with this process") {
                                clients.served > served + 20 || clients.failure != nil
                            }
                            try program.signal(SIGTERM)
                            #expect(try program.waitForExit() == .code(0))
                            #expect(program.outputLines.contains { $0.hasSuffix("0 closed forcibly") })
                        }
                    }
                    // The last client waits for one more process.
                    clients.stop()
                    try await withProgram(activated(["web"], ["run", file]), inheriting: passed) { _ in
                        try await eventually("end of the clients") { clients.hasEnded }
                    }
                    #expect(clients.failure == nil)
                }
            }
        }
    }

    @Test("the next process accepts on the same sockets while the previous one drains")
    func successor() async throws {
        let server = try TestListener()
        let (web, admin) = (try TestListener(), try TestListener())
        let text = text(["web": "\(web.address)"], to: server.address, admin: "\(admin.address)")
        try await withFile(text) { file in
            let command = activated(["web", "admin"], ["run", file])
            let passed = try descriptors([web, admin])
            try await withProgram(command, inheriting: passed) { first in
                _ = try first.output(after: "Metrics on http://")
                let pair = RelayedPair(client: try .connect(to: web.address), server: try server.accept())
                try first.signal(SIGTERM)
                _ = try first.output(after: "Draining: 1 connections ")
                try await withProgram(command, inheriting: passed) { second in
                    for _ in 0..<20 {
                        let new = RelayedPair(client: try .connect(to: web.address), server: try server.accept())
                        try new.exchange()
                        new.client.close()
                        new.server.close()
                    }
                    #expect(try httpGet("/readyz", from: admin.address).status == 200)
                    try pair.exchange()
                    pair.client.close()
                    pair.server.close()
                    #expect(try first.waitForExit() == .code(0))
                    try second.signal(SIGTERM)
                    #expect(try second.waitForExit() == .code(0))
                }
            }
        }
    }

    @Test("a reload that removes a listener and adds it again uses the same socket")
    func reload() async throws {
        let server = try TestListener()
        let web = try TestListener()
        let listeners = ["web": "\(web.address)", "other": "127.0.0.1:0"]
        try await withFile(text(listeners, to: server.address)) { file in
            try await withProgram(activated(["web"], ["run", file]), inheriting: descriptors([web])) { program in
                _ = try program.output(after: "Proxy listening on ")
                for (count, listeners) in [["other": "127.0.0.1:0"], listeners, ["other": "127.0.0.1:0"], listeners]
                    .enumerated()
                {
                    try text(listeners, to: server.address).write(toFile: file, atomically: true, encoding: .utf8)
                    try program.signal(SIGHUP)
                    try await eventually("reload \(count + 1)") {
                        program.errorLines.count { $0.contains("Reloaded ") } == count + 1
                    }
                }
                let pair = RelayedPair(client: try .connect(to: web.address), server: try server.accept())
                try pair.exchange()
                pair.client.close()
                pair.server.close()
                try program.signal(SIGTERM)
                #expect(try program.waitForExit() == .code(0))
            }
        }
    }

    @Test("monkey proxy and balance use a socket named listen", arguments: ["proxy", "balance"])
    func commands(command: String) async throws {
        let server = try TestListener()
        let listener = try TestListener()
        let arguments = [command, "\(listener.address)", server.argument, "--admin", "off"]
        try await withProgram(activated(["listen"], arguments), inheriting: descriptors([listener])) { program in
            _ = try program.output(after: "Proxy listening on \(listener.address)")
            try RelayedPair(client: .connect(to: listener.address), server: server.accept()).exchange()
        }
    }

    @Test("sockets for another process are ignored")
    func otherProcess() async throws {
        let server = try TestListener()
        let environment = ["env", "LISTEN_PID=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=web"]
        let arguments = ["proxy", "127.0.0.1:0", server.argument, "--admin", "off"]
        try await withProgram(environment + [monkeyPath] + arguments) { program in
            _ = try program.output(after: "Proxy listening on ")
        }
    }

    @Test("a socket that matches no listener or is of the wrong kind is one error")
    func errors() async throws {
        let web = try TestListener()
        let connected = try TestSocket.connect(to: web.address)
        let datagrams = try #require(Descriptor(socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)))
        let file = try #require(Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)))
        let (listening, elsewhere) = (try descriptors([web])[0], try TestListener())
        let cases: [([String], [Int32], String)] = [
            (["wbe"], [listening], "inherited socket 'wbe' matches no listener: set FileDescriptorName= in its"),
            (["admin"], [listening], "one of: web"),
            (["web", "web"], [listening, listening], "several inherited sockets have the name 'web'"),
            (["web"], [try connected.descriptor], "inherited socket 'web': not listening: use Accept=no"),
            (["web"], [datagrams.number], "inherited socket 'web': not a stream socket: use ListenStream="),
            (["web"], [file.number], "inherited socket 'web': not a socket: use ListenStream="),
            (["web"], try descriptors([elsewhere]), "but configured is \(web.address): write the same address"),
        ]
        let server = try TestListener()
        try await withFile(text(["web": "\(web.address)"], to: server.address)) { file in
            for (names, passed, message) in cases {
                let run = try await runToEnd(activated(names, ["run", file]), inheriting: passed)
                FinishedRun(exit: run.exit, output: run.output, errors: run.errors).expectFailure(naming: message)
            }
        }
    }
}

/// A descriptor that is closed when it is deallocated.
private final class Descriptor {
    let number: Int32

    init?(_ number: Int32) {
        guard number >= 0 else { return nil }
        self.number = number
    }

    deinit { close(number) }
}

/// Clients that connect one after the other, without a pause, and each exchange a few bytes.
private final class Clients: Sendable {
    private struct State {
        var served = 0
        var failure: String?
        var isStopped = false
        var hasEnded = false
    }

    private let state = Mutex(State())

    init(of address: TestAddress) {
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.isStopped || $0.failure != nil }) {
                do {
                    let client = try TestSocket.connect(to: address)
                    defer { client.close() }
                    try client.send("ping")
                    try client.receive("ping")
                    state.withLock { $0.served += 1 }
                } catch {
                    state.withLock { $0.failure = "\(error)" }
                }
            }
            state.withLock { $0.hasEnded = true }
        }
    }

    var served: Int { state.withLock(\.served) }
    var failure: String? { state.withLock(\.failure) }
    var hasEnded: Bool { state.withLock(\.hasEnded) }

    func stop() { state.withLock { $0.isStopped = true } }
}
