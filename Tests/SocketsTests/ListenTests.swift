import Glibc
import Sockets
import Support
import Testing

@Suite("Listening sockets", .ownThreads)
struct ListenTests {
    private static let anyPort = SocketAddress.internet(InternetAddress(v4: 0x7f00_0001, port: 0))

    /// Opens a listener and closes it again; returns the error if that failed.
    private func error(listeningAt address: SocketAddress, _ sharing: ListenOptions.Sharing) throws -> SystemError? {
        var system = try LinuxSystem(wakerToken: Token(bits: 0))
        do {
            system.close(try system.listen(at: address, options: ListenOptions(sharing: sharing)))
            return nil
        } catch {
            return error
        }
    }

    private func address(of listener: TestListener) -> SocketAddress {
        .internet(InternetAddress(v4: 0x7f00_0001, port: listener.port))
    }

    @Test("Port 0 is replaced by a free port")
    func anyPort() throws {
        let ends = try Ends()
        #expect(ends.address.port != 0)
        #expect(ends.peer.map { "\($0)".hasPrefix("127.0.0.1:") } == true)
    }

    @Test("An address in use is rejected", arguments: [ListenOptions.Sharing.exclusive, .portOwner, .portMember])
    func inUse(sharing: ListenOptions.Sharing) throws {
        let other = try TestListener()
        #expect(try error(listeningAt: address(of: other), sharing) == .addressInUse)
        other.close()
        #expect(try error(listeningAt: address(of: other), sharing) == nil)
    }

    @Test("A port shared by another listener of the same user is joined only on request")
    func notJoinedUnasked() throws {
        let other = try TestListener(reusePort: true)
        #expect(try error(listeningAt: address(of: other), .exclusive) == .addressInUse)
        #expect(try error(listeningAt: address(of: other), .portOwner) == .addressInUse)
        #expect(try error(listeningAt: address(of: other), .portMember) == nil)
    }

    @Test("An exclusive listener cannot be joined, a founding one only with the joining option")
    func afterwards() throws {
        let exclusive = try Ends()
        #expect(try error(listeningAt: exclusive.address, .portMember) == .addressInUse)
        let portOwner = try Ends(listenOptions: ListenOptions(sharing: .portOwner))
        #expect(try error(listeningAt: portOwner.address, .exclusive) == .addressInUse)
        #expect(try error(listeningAt: portOwner.address, .portOwner) == .addressInUse)
        #expect(try error(listeningAt: portOwner.address, .portMember) == nil)
    }

    @Test("Connections are spread over listeners that share an address")
    func spread() throws {
        var system = try LinuxSystem(wakerToken: Token(bits: 0))
        let first = try system.listen(at: Self.anyPort, options: ListenOptions(sharing: .portOwner))
        let address = try system.localAddress(of: first)
        let second = try system.listen(at: address, options: ListenOptions(sharing: .portMember))
        var clients: [TestSocket] = []
        for _ in 0..<100 { clients.append(try .connect(to: .ip("127.0.0.1", port: address.port ?? 0))) }
        // The last segment of a handshake may reach the listener after the client's connect has returned.
        var accepted = [0, 0]
        let deadline = system.now() + patience
        repeat {
            accepted[0] += drain(first, &system)
            accepted[1] += drain(second, &system)
        } while accepted.reduce(0, +) < 100 && system.now() < deadline
        system.close(first)
        system.close(second)
        #expect(accepted.reduce(0, +) == 100)
        #expect(accepted.allSatisfy { $0 > 0 })
    }

    private func drain(_ listener: borrowing Descriptor, _ system: inout LinuxSystem) -> Int {
        var count = 0
        while case .connection(let descriptor, _) = system.accept(from: listener) {
            system.close(descriptor)
            count += 1
        }
        return count
    }

    @Test("A port can be bound while old connections are in TIME_WAIT")
    func lingering() throws {
        let first = try Ends()
        let address = first.address
        // The server's end closes first, so it is the one in TIME-WAIT.
        first.system.close(try first.take(.server))
        try first.stopListening()
        #expect(try first.receive(.client).outcome == .ended)
        first.system.close(try first.take(.client))
        #expect(try error(listeningAt: address, .exclusive) == nil)
    }

    @Test("IPv6 works, and a wildcard socket accepts IPv4")
    func dualStack() throws {
        let loopback = try Ends(at: .internet(InternetAddress(high: 0, low: 1, port: 0)))
        #expect(loopback.peer.map { "\($0)".hasPrefix("[::1]:") } == true)

        var system = try LinuxSystem(wakerToken: Token(bits: 0))
        let listener = try system.listen(at: .internet(InternetAddress(high: 0, low: 0, port: 0)), options: .init())
        let number = listener.release()
        defer { system.close(Descriptor(adopting: number)) }
        let client = try TestSocket.connect(to: .ip("127.0.0.1", port: try localPort(number)))
        let peer = try soon("connection") { acceptedPeer(of: number, &system) }
        #expect("\(peer)" == "\(try client.localAddress)")
    }

    private func acceptedPeer(of number: Int32, _ system: inout LinuxSystem) -> PeerAddress? {
        let listener = Descriptor(adopting: number)
        let accepted = system.accept(from: listener)
        _ = listener.release()
        guard case .connection(let descriptor, let peer) = accepted else { return nil }
        system.close(descriptor)
        return peer
    }

    private func localPort(_ number: Int32) throws -> UInt16 {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        try #require(result == 0)
        return UInt16(bigEndian: address.sin6_port)
    }

    @Test("Clients of a Unix socket have no address")
    func unix() async throws {
        try await withScratchFolder { folder in
            let ends = try Ends(at: .unix(path: "\(folder)/s"))
            #expect(ends.address == .unix(path: "\(folder)/s"))
            #expect(ends.peer == .unix)
            #expect(try ends.send("hello", from: .client) == .moved(5))
            #expect(try ends.receive(.server).bytes == Array("hello".utf8))
            #expect(try error(listeningAt: ends.address, .exclusive) == .addressInUse)
            #expect(try error(listeningAt: .unix(path: "\(folder)/none/s"), .exclusive) == SystemError(code: ENOENT))
        }
    }

    @Test("A non-local address is rejected")
    func foreign() throws {
        // TEST-NET-1 (RFC 5737) is not assigned to any host.
        let address = SocketAddress.internet(InternetAddress(v4: 0xC000_0201, port: 0))
        #expect(try error(listeningAt: address, .exclusive) == SystemError(code: EADDRNOTAVAIL))
    }

    @Test("Options of a listener apply to its connections")
    func inherited() throws {
        let options = SocketOptions(
            keepAlive: KeepAlive(interval: .seconds(40), probes: 7),
            tcpUserTimeout: .seconds(9)
        )
        let ends = try Ends(listenOptions: ListenOptions(connection: options), connectOptions: options)
        for end in [Ends.End.server, .client] {
            let number = try ends.number(end)
            #expect(option(number, Int32(IPPROTO_TCP), TCP_NODELAY) == 1)
            #expect(option(number, SOL_SOCKET, SO_OOBINLINE) == 1)
            #expect(option(number, SOL_SOCKET, SO_KEEPALIVE) == 1)
            #expect(option(number, Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 40)
            #expect(option(number, Int32(IPPROTO_TCP), TCP_KEEPINTVL) == 40)
            #expect(option(number, Int32(IPPROTO_TCP), TCP_KEEPCNT) == 7)
            #expect(option(number, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 9000)
        }
        let plain = try Ends()
        #expect(option(try plain.number(.server), SOL_SOCKET, SO_KEEPALIVE) == 0)
    }

    @Test("Times and counts outside the kernel's ranges are clamped")
    func clamped() throws {
        let low = SocketOptions(keepAlive: KeepAlive(interval: .milliseconds(1), probes: -3))
        let high = SocketOptions(
            keepAlive: KeepAlive(interval: .seconds(Int64.max), probes: .max),
            tcpUserTimeout: .seconds(Int64.max)
        )
        let ends = try Ends(listenOptions: ListenOptions(connection: low), connectOptions: high)
        #expect(option(try ends.number(.server), Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 1)
        #expect(option(try ends.number(.server), Int32(IPPROTO_TCP), TCP_KEEPCNT) == 1)
        #expect(option(try ends.number(.client), Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 32_767)
        #expect(option(try ends.number(.client), Int32(IPPROTO_TCP), TCP_KEEPCNT) == 127)
        #expect(option(try ends.number(.client), Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == .max)
    }

    private func option(_ number: Int32, _ level: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, level, name, &value, &length) == 0 ? value : nil
    }

    @Test("An empty accept queue would block")
    func emptyQueue() throws {
        let ends = try Ends()
        let isEmpty = try ends.with(.listener) { system, listener in
            switch system.accept(from: listener) {
            case .wouldBlock: return true
            case .connection(let descriptor, peer: _):
                system.close(descriptor)
                return false
            case .failed: return false
            }
        }
        #expect(isEmpty)
    }
}
