import FakeSystem
import Relay
import Sockets
import Testing

@testable import TCPProxy

/// The behavior of a worker if the system refuses memory.
@Suite("Memory refused by the system")
struct MemoryTests {
    private let refusal = SystemError.outOfMemory

    @Test("no connection is accepted until there is memory for it")
    func accept() throws {
        try withProxy { proxy in
            proxy.world.faults.fail(.allocate, with: refusal)
            let client = proxy.connect()
            proxy.settle()
            #expect(proxy.active == 0)
            #expect(proxy[.memoryAllocationFailures] == 1)
            #expect(proxy[.pause(.exhausted)] == 1)
            proxy.advance(by: WorkerSettings.acceptRetryInterval)
            #expect(proxy.active == 1)
            #expect(client.end == nil)
            client.send("hello")
            proxy.settle()
            #expect(proxy.server.connections[0].text == "hello")
        }
    }

    @Test("without memory for the counts of a listener's clients, no connection is accepted")
    func limits() throws {
        try withProxy(configure: { $0.accessPolicy.maxConnectionsPerClient = 5 }) { proxy in
            // The first allocation is that of the counts.
            proxy.world.faults.fail(.allocate, with: refusal)
            let client = proxy.connect()
            proxy.settle()
            #expect(proxy.active == 0)
            #expect(client.end == nil)
            #expect(proxy[.memoryAllocationFailures] == 1)
            proxy.advance(by: WorkerSettings.acceptRetryInterval)
            #expect(proxy.active == 1)
        }
    }

    @Test("a connection whose undelivered bytes cannot be stored is reset, and others continue")
    func relay() throws {
        try withProxy(in: .small(receiveBuffer: 4096, sendBuffer: 4096), configure: { $0.engine = .copy }) { proxy in
            let (client, server) = try proxy.connectThrough()
            let other = try proxy.connectThrough()
            server.isReading = false
            proxy.world.faults.fail(.allocate, with: refusal)
            client.sendPattern(count: 20_000)
            // The client is reset when the time for delivery of the server's last bytes is over.
            proxy.advance(by: .seconds(60))
            #expect(proxy[.memoryAllocationFailures] == 1)
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.closures == [.by(.proxy, .reset): 1])
            #expect(proxy[.discardedUpstream] > 0)
            other.client.send("hello")
            proxy.settle()
            #expect(other.server.text == "hello")
        }
    }

    @Test("bytes in a pipe stay there if they cannot be stored elsewhere")
    func pipe() throws {
        try withProxy(in: .small(receiveBuffer: 8192, sendBuffer: 8192), configure: { $0.engine = .auto }) { proxy in
            let (client, server) = try proxy.connectThrough()
            server.isReading = false
            proxy.world.faults.fail(.allocate, withOneOf: [refusal], probability: 1)
            client.sendPattern(count: 4096)
            proxy.settle()
            server.isReading = true
            proxy.settle()
            #expect(server.received.count == 4096)
            #expect(proxy.active == 1)
            proxy.world.faults.fail(.allocate, withOneOf: [refusal], probability: 0)
        }
    }

    @Test("a connection whose first bytes cannot be stored is reset")
    func preread() throws {
        try withProxy(configure: trusting(.required)) { proxy in
            let first = proxy.connect(from: trustedProxy)
            proxy.settle()
            proxy.world.faults.fail(.allocate, with: refusal)
            first.send(headerLine)
            proxy.settle()
            #expect(first.end == .failed(.connectionReset))
            #expect(proxy[.memoryAllocationFailures] == 1)
            #expect(proxy.closures == [.by(.proxy, .connectFailed): 1])
            let second = proxy.connect(from: trustedProxy)
            second.send(headerLine + "hello")
            proxy.settle()
            #expect(proxy.server.connections.map(\.text) == ["hello"])
        }
    }

    @Test("a connection whose PROXY header for the server cannot be stored is reset")
    func sentHeader() throws {
        try withProxy(pool: { $0.proxyProtocol = .v1 }) { proxy in
            proxy.server.answer = .accept(after: .seconds(1))
            let client = proxy.connect()
            proxy.settle()
            proxy.world.faults.fail(.allocate, with: refusal)
            proxy.advance(by: .seconds(1))
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.closures == [.by(.proxy, .connectFailed): 1])
        }
    }
}
