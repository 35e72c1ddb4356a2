import Sockets
import Support
import TCPProxy
import Testing

@testable import AdminServer

@Suite("Client of the admin endpoint", .ownThreads)
struct AdminClientTests {
    private func client(_ address: TestAddress, token: String? = nil) throws -> AdminClient {
        AdminClient(try ServiceAddress(parsing: "\(address)"), token: try token.map { try AdminToken($0) })
    }

    @Test(
        "a request and its parameters reach the proxy unchanged",
        arguments: ["a b&c=d", "unix:/run/x.sock", "ü%2B+"]
    )
    func parameters(name: String) async throws {
        let control = FakeControl()
        let response = try await withServer(control: control) { address in
            try await client(address).post("/servers/drain", query: [("pool", "db"), ("server", name)])
        }
        #expect(response == AdminClient.Response(status: 200, body: "done\n"))
        #expect(control.requests == ["draining \(name)"])
    }

    @Test("an error status is a response with its text")
    func errorStatus() async throws {
        let response = try await withServer(control: FakeControl()) { address in
            try await client(address).post("/servers/drain", query: [("pool", "web"), ("server", "a")])
        }
        #expect(response.status == 404)
        #expect(response.body == "there is no pool 'web'\n")
    }

    @Test("the token is sent")
    func token() async throws {
        let token = "0123456789abcdef"
        let (without, with) = try await withServer(control: FakeControl(), token: token) { address in
            (try await client(address).get("/pools"), try await client(address, token: token).get("/pools"))
        }
        #expect(without.status == 401)
        #expect(with.status == 200)
    }

    @Test("an address without a proxy is an error that names it")
    func noProxy() async throws {
        let closed = try TestListener()
        let address = closed.address
        closed.close()
        let client = try client(address)
        await #expect(throws: AdminClientError.notConnected(client.address, "Connection refused")) {
            try await client.get("/pools")
        }
    }

    @Test("a server that does not speak HTTP is an error")
    func otherProtocol() async throws {
        let server = try TestListener()
        let client = try client(server.address)
        async let failure: AdminClientError? = {
            do throws(AdminClientError) {
                _ = try await client.get("/pools")
                return nil
            } catch {
                return error
            }
        }()
        let connection = try server.accept()
        try connection.send("+OK\r\n")
        connection.close()
        #expect(await failure == .incomplete(client.address))
    }
}
