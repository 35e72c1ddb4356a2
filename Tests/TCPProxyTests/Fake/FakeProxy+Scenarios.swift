import Balancing
import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

extension FakeProxy {
    /// Connects a client that sends a text.
    func connect(sending text: String, from source: PeerAddress? = nil, to member: Int? = nil) -> FakePeer {
        let client = connect(from: source, to: member)
        client.send(text)
        settle()
        return client
    }

    /// Connects a client that sends a text, to a server that accepts after a second.
    func connectSlowly(sending text: String) -> FakePeer {
        server.answer = .accept(after: .seconds(1))
        return connect(sending: text)
    }

    /// Connects a client through to a server that does not read, and sends it a pattern.
    func stalledUpload(of count: Int) throws -> (client: FakePeer, server: FakePeer) {
        let (client, server) = try connectThrough()
        server.isReading = false
        client.sendPattern(count: count)
        settle()
        return (client, server)
    }

    /// Sends the last bytes of a server to a client that has finished; the connection must then end in order.
    func answerAndClose(
        _ server: FakePeer,
        _ client: FakePeer,
        _ text: String = "answer",
        at location: SourceLocation = #_sourceLocation
    ) {
        server.send(text)
        server.close()
        settle()
        #expect(client.text == text, sourceLocation: location)
        #expect(client.end == .fin, sourceLocation: location)
        #expect(closures == [.by(.client, .ended): 1], sourceLocation: location)
    }

    /// Resets a peer.
    func reset(_ peer: FakePeer) {
        peer.reset()
        settle()
    }

    /// Stops a worker, or all, and waits until its listening sockets are closed.
    func stopAccepting(_ member: Int? = nil) {
        post(.stopAccepting, to: member)
        advance(by: .seconds(1))
    }
}

extension FakeWorld {
    /// A world with small buffers, so that many bytes are in flight.
    static func small(receiveBuffer: Int = 4096, sendBuffer: Int? = nil) -> FakeWorld {
        let world = FakeWorld()
        world.receiveBuffer = receiveBuffer
        if let sendBuffer { world.sendBuffer = sendBuffer }
        return world
    }
}

extension PoolConfiguration {
    /// Limits the connections of each server, so that further clients are queued.
    mutating func limitServers(to limit: Int = 1, policy: BalancingPolicy = .roundRobin) {
        self.policy = policy
        for index in servers.indices { servers[index].maxConnections = limit }
    }
}
