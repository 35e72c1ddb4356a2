import Foundation
import Support
import Synchronization
import Testing

@Suite(
    "Configuration reload and admin API",
    .ownThreads,
    .serialized,
    .timeLimit(.minutes(3))
)
struct ReloadTests {
    /// A running `monkey run`, and its file.
    private struct Served {
        let program: RunningProgram
        let file: String
        let metrics: TestAddress

        func write(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: file)) }

        func post(_ path: String, fields: [String] = []) throws -> HTTPResponse {
            try httpGet(path, from: metrics, method: "POST", fields: fields)
        }

        func read() throws -> MetricsText { try MetricsText(httpGet("/metrics", from: metrics).body) }

        /// Returns the address of a listener by its name.
        func address(of listener: String) throws -> TestAddress {
            let page = try JSONSerialization.jsonObject(with: Data(httpGet("/pools", from: metrics).body.utf8))
            let listeners = try #require((page as? [String: Any])?["listeners"] as? [[String: Any]])
            let found = try #require(listeners.first { $0["name"] as? String == listener })
            let address: TestAddress = try #require(TestAddress(found["address"] as? String ?? ""))
            return address
        }

        /// Returns the number of connections established to a server.
        func taken(by server: TestListener) throws -> Double {
            try read().value("monkey_server_connections_total", ["pool": "db", "server": "\(server.address)"]) ?? 0
        }
    }

    private func text(_ servers: [TestListener]) -> String { text(["web": "127.0.0.1:0"], servers) }

    private func text(_ listeners: [String: String], _ servers: [TestListener]) -> String {
        let entries = listeners.sorted { $0.key < $1.key }.map { "  \($0.key): { listen: '\($0.value)', pool: db }\n" }
        let addresses = servers.map { "    - \($0.address)\n" }.joined()
        return """
            threads: 2
            admin: 127.0.0.1:0
            summary: off
            listeners:
            \(entries.joined())pools:
              db:
                ejection: off
                servers:
            \(addresses)
            """
    }

    private func withServed(_ text: String, _ body: (Served) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let file = "\(folder)/monkey.yaml"
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            try await withProgram([monkeyPath, "run", file]) { program in
                let url = try program.output(after: "Metrics on http://")
                let metrics: TestAddress = try #require(TestAddress(url.replacing("/metrics", with: "")))
                try await body(Served(program: program, file: file, metrics: metrics))
                try program.signal(SIGTERM)
                let exit = try program.waitForExit()
                #expect(exit == .code(0))
            }
        }
    }

    private func pair(at address: TestAddress, _ server: TestListener) throws -> RelayedPair {
        let client = try TestSocket.connect(to: address)
        return RelayedPair(client: client, server: try server.accept())
    }

    private func refuses(_ address: TestAddress) -> Bool {
        do {
            try TestSocket.connect(to: address, limit: .seconds(5)).close()
            return false
        } catch {
            return true
        }
    }

    @Test("a reload adds and removes listeners without closing connections", arguments: [false, true])
    func swap(bySignal: Bool) async throws {
        let server = try TestListener()
        try await withServed(text([server])) { served throws in
            let first = try served.address(of: "web")
            let running = try pair(at: first, server)
            try running.exchange()
            try served.write(text(["more": "127.0.0.1:0"], [server]))
            if bySignal {
                try served.program.signal(SIGHUP)
                try await eventually("log line of the reload") {
                    served.program.errorLines.contains { $0.contains("listener web removed: its connection continues") }
                }
            } else {
                let response = try served.post("/config/reload")
                #expect(response.status == 200)
                #expect(
                    response.body == """
                        {"reloaded":true,"changes":["listener web removed: its connection continues",\
                        "listener more added"],"connections_affected":1}

                        """
                )
            }
            let new = try pair(at: served.address(of: "more"), server)
            try new.exchange()
            try await eventually("refusal at the old address") { refuses(first) }
            try running.exchange()
            #expect(try served.read().value("monkey_config_reloads_total", ["result": "success"]) == 1)
            for end in [running, new] {
                end.client.close()
                end.server.close()
            }
        }
    }

    @Test("an invalid file and a port in use change nothing, and all errors are reported")
    func refused() async throws {
        let (server, taken) = (try TestListener(), try TestListener())
        try await withServed(text([server])) { served throws in
            let address = try served.address(of: "web")
            let running = try pair(at: address, server)
            try served.write(text(["other": "127.0.0.1:0"], [server]) + "thread: 3\nnothing: 1\n")
            let bad = try served.post("/config/reload")
            #expect(bad.status == 422)
            #expect(bad.body.contains("thread") && bad.body.contains("nothing"), "\(bad.body)")
            try served.write(text(["new": "127.0.0.1:0", "web": "127.0.0.1:0", "z": "\(taken.address)"], [server]))
            let before = try ProcessView(served.program.processID).socketCount
            let inUse = try served.post("/config/reload")
            #expect(inUse.status == 422)
            #expect(inUse.body.contains("\(taken.address) is in use"), "\(inUse.body)")
            try await eventually("close of the bound sockets") {
                try ProcessView(served.program.processID).socketCount <= before
            }
            try FileManager.default.removeItem(atPath: served.file)
            try served.program.signal(SIGHUP)
            try await eventually("third failed reload in the metrics") {
                try served.read().value("monkey_config_reloads_total", ["result": "failure"]) == 3
            }
            #expect(try served.read().value("monkey_config_last_reload_successful") == 0)
            #expect(try served.address(of: "web") == address)
            try running.exchange()
            try pair(at: address, server).exchange()
        }
    }

    @Test("100 reloads under load lose no connection, descriptor or memory")
    func underLoad() async throws {
        let servers = try (0..<3).map { _ in try TestListener() }
        try await withServed(text(servers)) { served throws in
            let address = try served.address(of: "web")
            let fixed = ["web": "\(address)"]
            let process = ProcessView(served.program.processID)
            let socketsAtStart = try process.socketCount
            let stop = Flag()
            try await withThrowingTaskGroup { group in
                for server in servers {
                    group.addTask { try await onOwnThreads { try await echoForEver(on: server) } }
                }
                defer { group.cancelAll() }
                let lasting = try (0..<20).map { _ in try TestSocket.connect(to: address) }
                func exchange(_ client: TestSocket, _ text: String) throws {
                    try client.send(text)
                    try client.receive(text)
                }
                for client in lasting { try exchange(client, "before") }
                let clients = Task {
                    try await onOwnThreads {
                        var count = 0
                        while !stop.isSet {
                            let client = try TestSocket.connect(to: address)
                            try client.send("ping")
                            try client.receive("ping")
                            client.close()
                            count += 1
                        }
                        return count
                    }
                }
                func reload(_ round: Int) throws {
                    // Adds and removes a server and a listener, and changes the remaining one.
                    var listeners = fixed
                    if round % 2 == 0 { listeners["extra"] = "127.0.0.1:0" }
                    var file = text(listeners, round % 3 == 0 ? Array(servers.dropLast()) : servers)
                    file.replace("pool: db }\npools", with: "pool: db, idle-timeout: \(round + 60)s }\npools")
                    try served.write(file)
                    let response = try served.post("/config/reload")
                    #expect(response.status == 200, "\(response.body)")
                }
                for round in 0..<20 { try reload(round) }
                let memory = try process.anonymousMemory
                for round in 20..<120 { try reload(round) }
                stop.set()
                let count = try await clients.value
                #expect(count > 0)
                for client in lasting { try exchange(client, "after") }
                let metrics = try served.read()
                #expect(metrics.value("monkey_connections_no_server_total") == 0)
                #expect(
                    metrics.value("monkey_connections_closed_total", ["reason": "reset", "initiator": "server"]) == 0
                )
                // The first rounds allocate what is allocated once; the pages kept by the allocator vary slightly.
                let grown = try process.anonymousMemory - memory
                if !isSanitized { #expect(grown < 4 << 20, "\(grown)") }
                for client in lasting { client.close() }
                try served.write(text(fixed, servers))
                #expect(try served.post("/config/reload").status == 200)
                try await eventually("end of all connections") { try served.read().value("connections_active") == 0 }
                try await eventually("release of the descriptors") { try process.socketCount <= socketsAtStart }
            }
        }
    }

    @Test("a drained server gets no new connections and keeps existing ones; a disabled one loses them")
    func drain() async throws {
        let servers = try (0..<2).map { _ in try TestListener() }
        try await withServed(text(servers)) { served throws in
            let address = try served.address(of: "web")
            let clients = try (0..<8).map { _ in try TestSocket.connect(to: address) }
            try await eventually("eight connections with a server") { try servers.map(served.taken).reduce(0, +) == 8 }
            let before = try servers.map(served.taken)
            let name = "pool=db&server=\(servers[0].address)"
            #expect(try served.post("/servers/drain?\(name)").status == 200)
            let more = try (0..<6).map { _ in try TestSocket.connect(to: address) }
            try await eventually("six more connections") { try servers.map(served.taken).reduce(0, +) == 14 }
            #expect(try servers.map(served.taken) == [before[0], before[1] + 6])
            // Also after the file is reloaded.
            #expect(try served.post("/config/reload").status == 200)
            #expect(try httpGet("/pools", from: served.metrics).body.contains("\"state\":\"draining\""))
            let far = try servers[0].accept()
            try far.send("still here")
            var mine: TestSocket?
            try await eventually("bytes at one of the clients") {
                mine = try clients.first { try $0.readable > 0 }
                return mine != nil
            }
            let list = try httpGet("/connections?server=\(servers[0].address)", from: served.metrics).body
            #expect(list.hasPrefix("{\"total\":\(Int(before[0])),"), "\(list)")
            #expect(try served.post("/servers/disable?\(name)").status == 200)
            #expect(try mine?.receiveRest().end == .reset)
            #expect(try served.post("/servers/enable?\(name)").status == 200)
            #expect(
                try served.post("/connections/close?client=127.0.0.1").body == "{\"closed\":\(Int(before[1]) + 6)}\n"
            )
            try await eventually("end of all connections") { try served.read().value("connections_active") == 0 }
            for client in clients + more { client.close() }
        }
    }

    @Test("a configured token is required; without one the endpoint listens only on loopback")
    func token() async throws {
        let server = try TestListener()
        try await withScratchFolder { folder in
            let token = "a-token-that-is-long-enough"
            try Data("\(token)\n".utf8).write(to: URL(fileURLWithPath: "\(folder)/token"))
            try await withServed(text([server]) + "admin-token-file: \(folder)/token\n") { served throws in
                #expect(try httpGet("/metrics", from: served.metrics).status == 401)
                #expect(try served.post("/config/reload").status == 401)
                #expect(try httpGet("/healthz", from: served.metrics).status == 200)
                #expect(try served.post("/config/reload", fields: ["Authorization: Bearer \(token)"]).status == 200)
            }
            let file = "\(folder)/open.yaml"
            let open = text([server]).replacing("admin: 127.0.0.1:0", with: "admin: 0.0.0.0:0")
            try Data(open.utf8).write(to: URL(fileURLWithPath: file))
            try await runMonkey(["run", file]).expectFailure(naming: "admin-token-file")
            let balance = ["balance", "127.0.0.1:0", "\(server.address)", "--admin", "0.0.0.0:0"]
            try await runMonkey(balance).expectFailure(naming: "--admin-token-file")
            try await runMonkey(balance + ["--admin-token-file", file]).expectFailure(naming: "visible")
        }
    }
}

/// Set by one thread, read by another.
private final class Flag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
}
