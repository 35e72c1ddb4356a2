import CLinux
import Glibc
import Sockets
import Support
import Testing

@Suite("Socket address")
struct SocketAddressTests {
    @Test(
        "Addresses have their documented text forms",
        arguments: [
            (InternetAddress(v4: 0x7f00_0001, port: 80), "127.0.0.1:80", "127.0.0.1"),
            (InternetAddress(v4: 0, port: 0), "0.0.0.0:0", "0.0.0.0"),
            (InternetAddress(high: 0, low: 1, port: 80), "[::1]:80", "::1"),
            (InternetAddress(high: 0, low: 0, port: 65535), "[::]:65535", "::"),
            (InternetAddress(high: 0x2001_0db8 << 32, low: 0x1_0000, port: 1), "[2001:db8::1:0]:1", "2001:db8::1:0"),
            (InternetAddress(high: 0xfe80 << 48, low: 1, port: 22, scope: 2), "[fe80::1%2]:22", "fe80::1%2"),
            // IPv4 seen through a dual-stack socket is IPv4.
            (InternetAddress(high: 0, low: 0xffff_0a00_0001, port: 5), "10.0.0.1:5", "10.0.0.1"),
        ]
    )
    func text(address: InternetAddress, text: String, host: String) {
        #expect(address.description == text)
        #expect(address.host == host)
        #expect(SocketAddress.internet(address).description == text)
        #expect(PeerAddress.internet(address).description == text)
        #expect(SocketAddress.internet(address).port == address.port)
    }

    @Test("Unix sockets have a path and no port, and their clients have neither")
    func unixText() {
        #expect(SocketAddress.unix(path: "/run/a b").description == "unix:/run/a b")
        #expect(SocketAddress.unix(path: "/run/a").port == nil)
        #expect(PeerAddress.unix.description == "unix:")
    }

    @Test("An IPv4 client has one identity, over IPv4 and mapped IPv6")
    func mapped() {
        let plain = InternetAddress(v4: 0x0a00_0001, port: 7)
        let mapped = InternetAddress(high: 0, low: 0xffff_0a00_0001, port: 7)
        #expect(plain == mapped)
        #expect(plain.isIPv4)
        #expect(!InternetAddress(high: 0, low: 0x0a00_0001, port: 7).isIPv4)
    }

    @Test(
        "An address round-trips through its kernel form",
        arguments: [
            .internet(InternetAddress(v4: 0x0102_0304, port: 0x0506)),
            .internet(InternetAddress(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10, port: 1)),
            .internet(InternetAddress(high: 0xfe80 << 48, low: 1, port: 65535, scope: 9)),
            .unix(path: "/"),
            .unix(path: "/run/ünï.sock"),
            .unix(path: String(repeating: "p", count: SocketAddress.maxUnixPathLength)),
        ] as [SocketAddress]
    )
    func kernelForm(address: SocketAddress) {
        let raw = RawAddress(address)
        #expect(raw.socketAddress == address)
        switch address {
        case .internet(let internet):
            #expect(raw.peer == .internet(internet))
            #expect(!raw.isUnix)
        case .unix:
            #expect(raw.peer == .unix)
            #expect(raw.isUnix)
        }
    }

    @Test("An unnamed client of a Unix socket is a valid peer")
    func unnamed() {
        #expect(RawAddress().peer == .unix)
    }

    @Test("A token holds a slot, a generation and a kind independently", arguments: [0, 1, 1 << 20, Int(Int32.max)])
    func token(slot: Int) {
        for generation in [0, 1, 0xFF_FFFF] as [UInt32] {
            for kind in [0, 1, 255] as [UInt8] {
                let token = Token(slot: slot, generation: generation, kind: kind)
                #expect(token.slot == slot)
                #expect(token.generation == generation)
                #expect(token.kind == kind)
                #expect(Token(bits: token.bits) == token)
            }
        }
        #expect(Token(slot: slot, generation: 0x1FF_FFFF, kind: 3) == Token(slot: slot, generation: 0xFF_FFFF, kind: 3))
    }

    private func isReplaced(_ wanted: String, by actual: String) throws -> Bool {
        try #require(address(wanted)).isReplaced(by: try #require(address(actual)))
    }

    private func address(_ text: String) -> SocketAddress? {
        guard case .socket(let address) = try? ServiceAddress(parsing: text) else { return nil }
        return address
    }

    @Test("only the address of all interfaces has an IPv4 fallback")
    func ipv4Fallback() throws {
        let all = try #require(address("[::]:8080"))
        #expect(all.ipv4Fallback == address("0.0.0.0:8080"))
        for other in ["0.0.0.0:8080", "[::1]:8080", "127.0.0.1:8080"] {
            #expect(try #require(address(other)).ipv4Fallback == nil)
        }
        #expect(SocketAddress.unix(path: "/run/a.sock").ipv4Fallback == nil)
        #expect(try isReplaced("[::]:0", by: "0.0.0.0:4711"))
        #expect(try !isReplaced("[::]:0", by: "[::]:4711"))
        #expect(try !isReplaced("0.0.0.0:0", by: "0.0.0.0:4711"))
    }
}

@Suite("Abstract Unix sockets")
struct AbstractAddressTests {
    @Test("an address that begins with @ is a name of its exact length in the abstract namespace")
    func format() throws {
        let address = try ServiceAddress(parsing: "unix:@name")
        #expect(address == .socket(.unix(path: "@name")))
        #expect(address.description == "unix:@name")
        let raw = RawAddress(.unix(path: "@name"))
        #expect(raw.address.length == 2 + 5)
        withUnsafeBytes(of: raw.address.local.sun_path) { #expect(Array($0.prefix(6)) == [0] + Array("name\0".utf8)) }
        #expect(raw.socketAddress == .unix(path: "@name"))
        #expect(SocketAddress.unix(path: "@name").isAbstract)
        #expect(!SocketAddress.unix(path: "./@name").isAbstract)
    }

    @Test("a listener and a client meet at the name, and no file is created or removed")
    func endToEnd() throws {
        let address = SocketAddress.unix(path: "@monkey-test-\(getpid())-\(UInt64.random(in: 0 ... .max))")
        guard case .unix(let name) = address else { return }
        #expect(UnixSocketFile(at: name) == nil)
        try UnixSocketFile.prepare(name)
        var system = try LinuxSystem(batch: 1, wakerToken: Token(bits: 0))
        let listener = try system.listen(at: address, options: ListenOptions(permissions: .init(mode: 0o600)))
        #expect(try system.localAddress(of: listener) == address)
        let client = try system.connect(to: RawAddress(address), from: nil, options: .init())
        #expect(access(name, F_OK) != 0)
        system.close(client)
        system.close(listener)
    }

    @Test("the permissions of a socket file are set before clients can connect")
    func permissions() async throws {
        try await withScratchFolder { folder in
            let path = "\(folder)/s"
            var system = try LinuxSystem(batch: 1, wakerToken: Token(bits: 0))
            let options = ListenOptions(permissions: .init(mode: 0o622, owner: geteuid(), group: getegid()))
            let listener = try system.listen(at: .unix(path: path), options: options)
            #expect(mode(of: path) == 0o622)
            system.adjust(listener, to: ListenOptions(permissions: .init(mode: 0o600)))
            #expect(mode(of: path) == 0o600)
            system.close(listener)
        }
    }

    private func mode(of path: String) -> mode_t? {
        var information = stat()
        return lstat(path, &information) == 0 ? information.st_mode & 0o777 : nil
    }
}
