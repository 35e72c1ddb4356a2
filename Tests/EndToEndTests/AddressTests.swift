import Foundation
import Glibc
import Support
import Testing

@Suite("Listen and upstream addresses", .ownThreads, .serialized, .timeLimit(.minutes(2)))
struct AddressTests {
    enum Kind: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case v4, v6, unix

        var testDescription: String { rawValue }

        func address(in folder: String, _ name: String) -> TestAddress {
            switch self {
            case .v4: .loopback
            case .v6: .loopback6
            case .unix: .unix(path: "\(folder)/\(name)")
            }
        }
    }

    @Test(
        "Bytes, FINs and resets pass between IPv4, IPv6 and Unix sockets",
        .eachEngine,
        arguments: Kind.allCases,
        Kind.allCases
    )
    func anyToAny(_ listen: Kind, _ forward: Kind) async throws {
        let pattern = Pattern(seed: 51)
        try await withScratchFolder { folder in
            let upstream = try TestListener(on: forward.address(in: folder, "upstream"))
            let front = listen.address(in: folder, "front")
            try await withProxy(on: front, to: upstream, ["--threads", "2"]) { proxy in
                if listen == .unix { #expect(proxy.address == front) }
                #expect(proxy.upstream == "\(upstream.address)")
                for direction in Direction.allCases {
                    let pair = try RelayedPair(through: proxy, to: upstream)
                    async let sending: Void = {
                        try pair.sender(direction).send(pattern, count: 4 << 20)
                        try pair.sender(direction).finish()
                    }()
                    let received = try pair.receiver(direction).receiveRest(of: pattern)
                    #expect(received == (4 << 20, .fin))
                    try await sending
                    try pair.receiver(direction).send("answer")
                    try pair.receiver(direction).finish()
                    #expect(try pair.sender(direction).receiveRest() == .init(bytes: Array("answer".utf8), end: .fin))
                }
                let pair = try RelayedPair(through: proxy, to: upstream)
                try pair.exchange()
                try pair.server.reset()
                // A Unix socket sends a reset only if unread bytes are discarded: otherwise its close is an end of
                // stream.
                let end = try pair.client.receiveRest().end
                if listen != .unix && forward != .unix { #expect(end == .reset) }
                pair.client.close()
                try await proxy.descriptorsReturn()
                try proxy.end()
            }
        }
    }

    @Test("A stale socket file of a dead process is replaced")
    func staleSocket() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/front"
            // A killed process leaves its socket file behind, as does a process that only closes its socket.
            try TestListener(on: .unix(path: path)).close()
            #expect(FileManager.default.fileExists(atPath: path))
            let upstream = try TestListener()
            try await withProxy(on: .unix(path: path), to: upstream) { proxy in
                try RelayedPair(through: proxy, to: upstream).exchange()
                try proxy.program.signal(SIGKILL)
                try proxy.program.waitForExit()
            }
            #expect(FileManager.default.fileExists(atPath: path))
            try await withProxy(on: .unix(path: path), to: upstream) { proxy in
                try RelayedPair(through: proxy, to: upstream).exchange()
            }
        }
    }

    @Test("A socket file in use is left unchanged")
    func liveSocket() async throws {
        try await withScratchFolder { folder in
            let owner = try TestListener(on: .unix(path: "\(folder)/front"))
            let result = try await runMonkey(["proxy", "\(owner.address)", "127.0.0.1:1", "--admin", "off"])
            result.expectFailure(naming: "\(folder)/front")
            // The owner still receives its connections.
            let client = try TestSocket.connect(to: owner.address)
            try client.send("hello")
            // One of them may be the connection by which the other process tests whether the socket is in use.
            var received: [UInt8] = []
            while received.isEmpty { received = try owner.accept().receiveRest(unlessOpen: 5) }
            #expect(received == Array("hello".utf8))
        }
    }

    @Test("A file that is not a socket is left unchanged")
    func ordinaryFile() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/front"
            try "precious".write(toFile: path, atomically: true, encoding: .utf8)
            let result = try await runMonkey(["proxy", "unix:\(path)", "127.0.0.1:1", "--admin", "off"])
            result.expectFailure(naming: path)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
        }
    }

    @Test("A port in use is an error that names it", arguments: ["127.0.0.1", "::1"], [false, true])
    func portInUse(host: String, reusePort: Bool) async throws {
        // With SO_REUSEPORT and the same user, bind would succeed and the two would share the clients.
        let owner = try TestListener(on: .ip(host, port: 0), reusePort: reusePort)
        let result = try await runMonkey(["proxy", "\(owner.address)", "127.0.0.1:1", "--admin", "off"])
        result.expectFailure(naming: "\(owner.address)")
    }

    @Test("A port in use by another proxy is an error that names it")
    func ownPortInUse() async throws {
        let upstream = try TestListener()
        try await withProxy(to: upstream, ["--threads", "2"]) { first in
            let result = try await runMonkey(["proxy", "\(first.address)", "\(upstream.address)", "--admin", "off"])
            result.expectFailure(naming: "\(first.address)")
            for _ in 0..<8 { try RelayedPair(through: first, to: upstream).exchange() }
        }
    }

    @Test("A metrics port in use is an error that names it")
    func metricsPortInUse() async throws {
        let owner = try TestListener()
        let result = try await runMonkey(["proxy", "127.0.0.1:0", "127.0.0.1:1", "--admin", "\(owner.address)"])
        result.expectFailure(naming: "\(owner.address)")
    }

    @Test("A non-local address is an error that names it")
    func foreignAddress() async throws {
        // RFC 5737: an address for documentation, which no machine has.
        let result = try await runMonkey(["proxy", "192.0.2.199:18080", "127.0.0.1:1", "--admin", "off"])
        result.expectFailure(naming: "192.0.2.199:18080")
    }

    @Test(
        "A port without permission is an error that names it",
        .enabled("this system has no privileged ports") {
            try privilegedPorts > 1
        }
    )
    func noPermission() async throws {
        // Root keeps all capabilities except this one.
        let wrapper = getuid() == 0 ? ["setpriv", "--bounding-set=-net_bind_service"] : []
        let result = try await runMonkey(["proxy", "127.0.0.1:1", "127.0.0.1:9", "--admin", "off"], under: wrapper)
        result.expectFailure(naming: "127.0.0.1:1")
    }
}

/// Ports below this one are privileged (ip(7), ip_unprivileged_port_start).
private var privilegedPorts: Int {
    get throws {
        let text = try textOfSystemFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 1024
    }
}

extension TestSocket {
    /// Receives up to `count` bytes, or fewer if the stream ends before.
    fileprivate func receiveRest(unlessOpen count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receive(upTo: count - bytes.count)
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }
}
