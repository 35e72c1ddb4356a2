import FakeSystem
import Glibc
import Sockets
import Testing

@testable import TCPProxy

@Suite("Clients during a dial")
struct ClientDuringDialTests {
    @Test("a client that disconnects ends the dial")
    func gone() throws {
        try withProxy { proxy in
            proxy.server.answer = .accept(after: .seconds(1))
            let client = proxy.connect()
            proxy.settle()
            #expect(proxy.server.attempts == 1)
            client.reset()
            proxy.settle()
            #expect(proxy.active == 0)
            #expect(proxy.world.openDescriptors.count == 1)
            #expect(proxy.failures == [.clientGone: 1])
            #expect(proxy.closures == [.by(.client, .reset): 1])
            proxy.advance(by: .seconds(2))
            #expect(proxy.server.connections.isEmpty)
        }
    }

    @Test("a client that disconnects during a retry delay ends the dial")
    func goneBeforeRetry() throws {
        try withProxy { proxy in
            proxy.world.faults.fail(.connect, with: .tooManyOpenFiles, times: 1000)
            proxy.reset(proxy.connect(sending: "hello"))
            #expect(proxy.active == 0)
            #expect(proxy[0].nextDeadline == nil)
            #expect(proxy[.failure(.exhausted)] == 1)
        }
    }

    @Test("data and a FIN sent during the dial reach the server, and its answer the client")
    func finished() throws {
        try withProxy { proxy in
            let client = proxy.connectSlowly(sending: "request")
            client.finish()
            proxy.advance(by: .seconds(1))
            let server = try #require(proxy.server.connections.first)
            #expect(server.text == "request")
            #expect(server.end == .fin)
            proxy.answerAndClose(server, client)
        }
    }

    @Test("data beyond the buffers is held back, and none is lost")
    func backPressure() throws {
        try withProxy { proxy in
            proxy.server.answer = .accept(after: .seconds(1))
            let client = proxy.connect()
            client.sendPattern(count: 300_000)
            proxy.settle()
            #expect(client.waiting > 0)
            proxy.advance(by: .seconds(1) + .milliseconds(10))
            #expect(proxy.server.connections.first?.patternReceived == 300_000)
        }
    }
}

@Suite("First bytes of a server")
struct ServerSpeaksFirstTests {
    @Test("a server's first bytes reach the client")
    func speaks() throws {
        try withProxy { proxy in
            proxy.server.onConnect = { $0.send("220 ready") }
            let (client, _) = try proxy.connectThrough()
            #expect(client.text == "220 ready")
            #expect(client.end == nil)
        }
    }

    @Test("a server's first bytes reach the client even if it closes immediately")
    func ends() throws {
        try withProxy { proxy in
            proxy.server.onConnect = { server in
                server.send("busy")
                server.close()
            }
            let (client, _) = try proxy.connectThrough()
            #expect(client.text == "busy")
            #expect(client.end == .fin)
            client.close()
            proxy.settle()
            #expect(proxy.closures == [.by(.server, .ended): 1])
        }
    }

    @Test("a server's first bytes reach the client even if it resets before the first read")
    func resets() throws {
        try withProxy(upstreams: 2) { proxy in
            proxy.server.onConnect = { server in
                server.send("busy")
                server.reset()
            }
            let client = proxy.connect()
            proxy.settle()
            #expect(client.text == "busy")
            #expect(client.end == .failed(.connectionReset))
            // It was connected; another server would be another conversation.
            #expect(proxy.servers[1].attempts == 0)
            #expect(proxy.failures == [:])
            #expect(proxy[.bytesDownstream] == 4)
            #expect(proxy.closures == [.by(.server, .reset): 1])
        }
    }
}
