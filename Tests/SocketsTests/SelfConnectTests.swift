import Glibc
import Support
import Testing

@testable import Sockets

@Suite("Connections of a socket to itself", .ownThreads)
struct SelfConnectTests {
    @Test("a socket that is connected to itself is detected, any other is not", arguments: ["127.77.77.77", "::1"])
    func detection(host: String) throws {
        var system = try LinuxSystem(wakerToken: Token(bits: 0))
        let listening = try #require(InternetAddress(host: host, port: 0))
        let listener = try system.listen(at: .internet(listening), options: ListenOptions())
        let address = RawAddress(try system.localAddress(of: listener))
        let mayBeItself = system.mayConnectToItself(address)
        #expect(mayBeItself)
        let other = try system.connect(to: address, from: nil, options: SocketOptions())
        try wait(for: other, on: &system)
        let isOther = !system.isConnectedToItself(other)
        #expect(isOther)
        // A port that no connection has used: one that has been used may stay in use for a minute.
        let unused = try system.listen(at: .internet(listening), options: ListenOptions())
        let free = RawAddress(try system.localAddress(of: unused))
        system.close(unused)
        system.close(other)
        system.close(listener)
        let itself = try system.connect(to: free, from: free, options: SocketOptions())
        try wait(for: itself, on: &system)
        let isItself = system.isConnectedToItself(itself)
        #expect(isItself)
        system.abort(itself)
    }

    private func wait(for descriptor: borrowing Descriptor, on system: inout LinuxSystem) throws {
        let error = system.register(descriptor, for: .connection, token: Token(slot: 1, generation: 0, kind: 1))
        #expect(error == nil)
        let deadline = system.now() + patience
        while !system.readiness(of: descriptor).contains(.writable), system.now() < deadline {
            _ = system.wait(until: deadline)
        }
    }

    @Test("only ports that the system assigns may connect a socket to itself")
    func ports() throws {
        var system = try LinuxSystem(wakerToken: Token(bits: 0))
        let range = LocalPorts.range
        func may(_ port: UInt16) -> Bool {
            system.mayConnectToItself(RawAddress(InternetAddress(v4: 0x7F00_0001, port: port)))
        }
        #expect(may(range.lowerBound))
        #expect(may(range.upperBound))
        if range.lowerBound > 0 { #expect(!may(range.lowerBound - 1)) }
        let mayUnix = system.mayConnectToItself(RawAddress(.unix(path: "/run/a.sock")))
        #expect(!mayUnix)
    }

    @Test(
        "a range that cannot be parsed contains all ports",
        arguments: [
            ("32768\t60999\n", 32_768...60_999), ("40000 40000", 40_000...40_000), ("", 0...UInt16.max),
            ("1", 0...UInt16.max), ("2 1", 0...UInt16.max), ("1 65536", 0...UInt16.max), ("a b", 0...UInt16.max),
        ] as [(String, ClosedRange<UInt16>)]
    )
    func parsing(text: String, range: ClosedRange<UInt16>) {
        #expect(LocalPorts.range(parsing: text) == range)
    }
}
