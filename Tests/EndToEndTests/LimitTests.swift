import Foundation
import Glibc
import Support
import Testing

@Suite(
    "Limits and timeouts",
    .ownThreads,
    .eachEngine,
    .serialized,
    .timeLimit(.minutes(2))
)
struct LimitTests {
    @Test("A maximum above the descriptor limit is an error that names the limit")
    func impossibleMaximum() async throws {
        let result = try await runMonkey(
            ["proxy", "127.0.0.1:0", "127.0.0.1:1", "--admin", "off", "--max-connections", "1000"],
            under: descriptorLimit(120)
        )
        result.expectFailure(naming: "--max-connections")
        #expect(result.errors.first?.contains("120") == true)
    }

    @Test("At the maximum a client waits, and is served when a connection ends", arguments: [1, 2])
    func maximum(threads: Int) async throws {
        let upstream = try TestListener()
        let options = ["--max-connections", "2", "--threads", "\(threads)"]
        try await withProxy(to: upstream, options, metrics: true) { proxy in
            let first = try RelayedPair(through: proxy, to: upstream)
            let second = try RelayedPair(through: proxy, to: upstream)
            let third = try proxy.connect()
            try third.send("third")
            // It must not reach the server while the others are connected.
            try first.exchange()
            try second.exchange()
            try await eventually("pause of accepting") {
                let pauses = try proxy.readMetrics().value("monkey_accept_pauses_total", ["cause": "connections"])
                return pauses ?? 0 > 0
            }
            #expect(try proxy.readMetrics().value("connections_active") == 2)

            first.client.close()
            first.server.close()
            let server = try upstream.accept()
            try server.receive("third")
            try server.send("served")
            try third.receive("served")
            try second.exchange()
        }
    }

    @Test("Clients waiting at the maximum are all served in turn", arguments: [1, 2])
    func crowd(threads: Int) async throws {
        let options = ["--max-connections", "3", "--threads", "\(threads)"]
        try await withProxy(to: "echo", options) { proxy in
            let clients = try (0..<40).map { _ in try proxy.connect() }
            for (number, client) in clients.enumerated() { try client.send("client \(number)") }
            var waiting = clients.indices.map { $0 }
            while !waiting.isEmpty {
                var served: [Int] = []
                try await eventually("service of one of \(waiting.count) waiting clients") {
                    served = try waiting.filter { try clients[$0].readable > 0 }
                    return !served.isEmpty
                }
                for number in served {
                    try clients[number].receive("client \(number)")
                    clients[number].close()
                }
                waiting.removeAll { served.contains($0) }
            }
        }
    }

    @Test("--idle-timeout closes an idle connection, and none with traffic in either direction")
    func idle() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--idle-timeout", "2s"]) { proxy in
            let resting = try RelayedPair(through: proxy, to: upstream)
            let speaking = try RelayedPair(through: proxy, to: upstream)
            let listening = try RelayedPair(through: proxy, to: upstream)
            // The others are as old when the idle connection is closed.
            try await eventually("end of the idle connection") {
                try speaking.client.send("up")
                try speaking.server.receive("up")
                try listening.server.send("down")
                try listening.client.receive("down")
                do {
                    return try resting.client.receiveWithoutWaiting() == []
                } catch let failure as SystemFailure where failure.code == ECONNRESET {
                    return true
                }
            }
            #expect(try resting.server.receiveRest().bytes.isEmpty)
            try speaking.exchange()
            // They too become idle and are closed.
            #expect(try speaking.client.receiveRest().bytes.isEmpty)
            #expect(try listening.server.receiveRest().bytes.isEmpty)
            try await proxy.descriptorsReturn()
        }
    }

    @Test("--half-close-timeout closes only an idle half-closed connection", arguments: Direction.allCases)
    func halfClose(_ direction: Direction) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--half-close-timeout", "500ms"]) { proxy in
            let whole = try RelayedPair(through: proxy, to: upstream)
            let half = try RelayedPair(through: proxy, to: upstream)
            try half.sender(direction).finish()
            #expect(try half.receiver(direction).receive(upTo: 1).isEmpty)
            // The end of the half that continued.
            #expect(try half.sender(direction).receiveRest().bytes.isEmpty)
            // Another one, so that the whole connection is idle for twice the timeout.
            let other = try RelayedPair(through: proxy, to: upstream)
            try other.sender(direction).finish()
            #expect(try other.sender(direction).receiveRest().bytes.isEmpty)
            try whole.exchange()
        }
    }

    @Test("--lifetime closes even a busy connection")
    func lifetime() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--lifetime", "1s"]) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try await eventually("end of a busy connection") {
                do {
                    try pair.exchange()
                    return false
                } catch let failure as SystemFailure where failure.isEndOfConnection {
                    return true
                } catch is Unexpected {
                    // The stream ended.
                    return true
                }
            }
            pair.client.close()
            pair.server.close()
            try await proxy.descriptorsReturn()
            // The next connection has the same lifetime limit, which may be too short for it on a busy machine.
            try await eventually("service of another client") {
                (try? RelayedPair(through: proxy, to: upstream).exchange()) != nil
            }
        }
    }

    @Test("--backlog is the length of the accept queue")
    func backlog() async throws {
        try await withProxy(to: "echo", ["--threads", "1", "--backlog", "2"]) { proxy in
            try proxy.program.signal(SIGSTOP)
            try await eventually("stop of the proxy's threads") { try proxy.process.isStopped }
            var clients: [TestSocket] = []
            while clients.count < 10, let client = try? proxy.connect(limit: .milliseconds(300)) {
                clients.append(client)
            }
            // The kernel queues one connection more than the backlog (not documented in listen(2)).
            #expect((2...3).contains(clients.count))
            try proxy.program.signal(SIGCONT)
            for client in clients {
                try client.send("hello")
                try client.receive("hello")
            }
        }
    }

    @Test("--keepalive probes a silent peer on either side", arguments: ["100s", "off"])
    func keepalive(interval: String) async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--keepalive", interval]) { proxy in
            let pair = try RelayedPair(through: proxy, to: upstream)
            try pair.exchange()
            for (own, peer) in try [
                (proxy.address, pair.client.localAddress), (pair.server.peerAddress, upstream.address),
            ] {
                try await eventually("idle socket from \(own) to \(peer)") {
                    guard let timer = try KernelTimer(of: own, connectedTo: peer) else { return false }
                    // After the exchange the reported timer may be that of the acknowledgements.
                    if interval == "off" { return timer.kind == .none }
                    return timer.kind == .keepalive && (.seconds(80)...(.seconds(100))).contains(timer.remaining)
                }
            }
        }
    }
}

/// The timer of a TCP connection, as reported in /proc/net/tcp.
private struct KernelTimer {
    enum Kind: Substring {
        case none = "00"
        case retransmission = "01"
        case keepalive = "02"
        case timeWait = "03"
        case zeroWindow = "04"
    }

    let kind: Kind
    let remaining: Duration

    /// Returns nil if there is no such connection.
    init?(of own: TestAddress, connectedTo peer: TestAddress) throws {
        let table = try textOfSystemFile("/proc/net/tcp")
        guard let addresses = table.range(of: " \(Self.hex(own)) \(Self.hex(peer)) ") else { return nil }
        // The state, the lengths of the queues, the timer.
        let fields = table[addresses.upperBound...].prefix(60).split(separator: " ")
        guard
            fields.count > 2,
            let kind = Kind(rawValue: fields[2].prefix(2)),
            let ticks = Int(fields[2].dropFirst(3), radix: 16)
        else { return nil }
        self.kind = kind
        remaining = .milliseconds(ticks * 1000 / sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Returns 127.0.0.1 in host byte order and the port, in hexadecimal as in /proc/net/tcp.
    private static func hex(_ address: TestAddress) -> String {
        let port = String(address.port, radix: 16, uppercase: true)
        return "0100007F:" + String(repeating: "0", count: 4 - port.count) + port
    }
}
