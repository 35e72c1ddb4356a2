import ProcessSupport
import Sockets
import Support
import Testing

@Suite("InheritedSockets")
struct InheritedSocketsTests {
    private func sockets(_ environment: [String: String]) throws(InheritedSocketsError) -> InheritedSockets {
        try InheritedSockets(environment: { environment[$0] }, process: 42)
    }

    @Test(
        "without sockets for this process there are none",
        arguments: [
            [:], ["LISTEN_FDS": "1"], ["LISTEN_FDS": "1", "LISTEN_PID": "43"], ["LISTEN_FDS": "0", "LISTEN_PID": "42"],
        ]
    )
    func none(environment: [String: String]) throws {
        try sockets(environment).requireNoneLeft(known: [])
    }

    @Test("a number of sockets that is not a number, or not that of the names, is an error")
    func counts() {
        #expect(throws: InheritedSocketsError.badCount("x", most: 4096)) {
            try sockets(["LISTEN_FDS": "x", "LISTEN_PID": "42"])
        }
        #expect(throws: InheritedSocketsError.badCount("5000", most: 4096)) {
            try sockets(["LISTEN_FDS": "5000", "LISTEN_PID": "42"])
        }
        #expect(throws: InheritedSocketsError.nameCount(1, sockets: 2)) {
            try sockets(["LISTEN_FDS": "2", "LISTEN_PID": "42", "LISTEN_FDNAMES": "web"])
        }
    }

    @Test("an inherited socket fits its configured address, also if that has port 0")
    func addresses() throws {
        let listener = try TestListener()
        let socket = try InheritedSocket(name: "web", descriptor: #require(listener.descriptor))
        func address(_ port: UInt16) -> SocketAddress { .internet(InternetAddress(v4: 0x7F00_0001, port: port)) }
        #expect(socket.address == address(listener.port))
        try socket.check(boundTo: address(listener.port))
        try socket.check(boundTo: address(0))
        let other = address(listener.port ^ 1)
        let error = #expect(throws: InheritedSocketError.self) { try socket.check(boundTo: other) }
        #expect(
            error?.description == "inherited socket 'web': bound to \(socket.address), but configured is \(other): "
                + "write the same address in both"
        )
    }
}
