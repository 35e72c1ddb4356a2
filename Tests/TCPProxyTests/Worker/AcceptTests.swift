import FakeSystem
import Glibc
import Sockets
import Testing

@testable import TCPProxy

@Suite("Accepting")
struct AcceptTests {
    @Test("a limited number of connections is accepted per turn, and the rest in the next")
    func batches() throws {
        try withProxy { proxy in
            let batch = WorkerSettings.acceptsPerWakeUp
            let clients = (0..<(batch + 5)).map { _ in proxy.connect() }
            proxy.turn()
            #expect(proxy.active == batch)
            proxy.settle()
            #expect(proxy.active == batch + 5)
            #expect(proxy.server.connections.count == clients.count)
        }
    }

    @Test("an aborted connection in the queue does not block those behind it")
    func deadInQueue() throws {
        try withProxy { proxy in
            proxy.world.faults.fail(.accept, with: SystemError(code: ECONNABORTED), times: 3)
            _ = proxy.connect()
            proxy.settle()
            #expect(proxy.active == 1)
            #expect(proxy.total == 1)
        }
    }

    @Test("a client that was reset in the queue causes no harm")
    func resetInQueue() throws {
        try withProxy { proxy in
            proxy.connect().reset()
            let client = proxy.connect()
            client.send("hello")
            proxy.settle()
            #expect(proxy.active == 1)
            #expect(proxy.server.connections.last?.text == "hello")
            #expect(proxy.closures == [.by(.client, .reset): 1])
        }
    }

    @Test("a client that cannot be registered is reset, and its descriptor closed")
    func registerFails() throws {
        try withProxy { proxy in
            proxy.world.faults.fail(.register, with: SystemError(code: ENOSPC))
            let client = proxy.connect()
            proxy.settle()
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.closures == [.by(.proxy, .connectFailed): 1])
            #expect(proxy.active == 0)
        }
    }
}

@Suite("Connection limit")
struct ConnectionLimitTests {
    @Test("clients beyond the limit wait in the accept queue at no cost until a permit is free")
    func waits() throws {
        try withProxy(limit: 2) { proxy in
            let first = try proxy.connectThrough()
            _ = try proxy.connectThrough()
            let third = proxy.connect()
            third.send("hello")
            proxy.advance(by: WorkerSettings.keepAliveAge)
            #expect(proxy.active == 2)
            #expect(proxy.server.connections.count == 2)
            #expect(proxy[.pause(.connections)] == 1)
            #expect(third.end == nil)

            let waits = proxy.waits
            proxy.advance(by: .seconds(60))
            #expect(proxy.waits == waits)

            first.client.close()
            first.server.close()
            proxy.settle()
            #expect(proxy.server.connections.count == 3)
            #expect(proxy.server.connections[2].text == "hello")
            #expect(proxy.active == 2)
            #expect(proxy.total == 3)
        }
    }

    @Test("all waiting clients are served, and the limit is never exceeded")
    func servesAll() throws {
        try withProxy(limit: 3, configure: { $0.backlog = 4 }) { proxy in
            // Some of them wait in the queue, others for a slot in it.
            let clients = (0..<20).map { number in
                let client = proxy.connect()
                client.send("\(number)")
                client.finish()
                return client
            }
            proxy.settle()
            for number in clients.indices {
                #expect(proxy.active <= 3)
                let server = try #require(
                    proxy.server.connections.count > number ? proxy.server.connections[number] : nil
                )
                #expect(server.text == "\(number)")
                server.close()
                proxy.settle()
                #expect(clients[number].end == .fin)
            }
            #expect(proxy.total == 20)
            #expect(proxy.active == 0)
        }
    }

    @Test("a permit released by one worker goes to another that waits")
    func acrossWorkers() throws {
        try withProxy(workers: 2, limit: 2) { proxy in
            let clients = [proxy.connect(to: 0), proxy.connect(to: 0)]
            proxy.settle()
            let waiting = proxy.connect(to: 1)
            waiting.send("hello")
            proxy.settle()
            #expect(proxy.active == 2)
            #expect(proxy.server.connections.count == 2)

            clients[0].reset()
            proxy.settle()
            #expect(proxy.active == 2)
            #expect(proxy.server.connections.last?.text == "hello")
        }
    }

    @Test("a worker that gets a permit without a waiting client passes it on")
    func handsOn() throws {
        try withProxy(workers: 2, limit: 1) { proxy in
            // The worker takes the last permit and then waits for one, with its own queue empty.
            let client = proxy.connect(to: 0)
            proxy.settle()
            let waiting = proxy.connect(to: 1)
            waiting.send("hello")
            proxy.settle()
            #expect(proxy.server.connections.count == 1)

            client.reset()
            proxy.settle()
            #expect(proxy.server.connections.count == 2)
            #expect(proxy.server.connections.last?.text == "hello")
        }
    }

    @Test("workers that share the limit serve all waiting clients in all queues", arguments: [2, 3, 8])
    func sharesEvenly(workers: Int) throws {
        try withProxy(workers: workers, limit: 3) { proxy in
            let clients = (0..<30).map { number in
                let client = proxy.connect(to: number % workers)
                client.finish()
                return client
            }
            proxy.settle()
            var served = 0
            while served < proxy.server.connections.count {
                #expect(proxy.active <= 3)
                proxy.server.connections[served].close()
                served += 1
                proxy.settle()
            }
            #expect(served == 30)
            #expect(clients.allSatisfy { $0.end == .fin })
        }
    }
}

@Suite("Resource exhaustion at accept")
struct AcceptExhaustionTests {
    @Test(
        "without descriptors or memory, accepting pauses, retries, and resumes when possible",
        arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM]
    )
    func pauses(code: Int32) throws {
        try withProxy { proxy in
            proxy.world.faults.fail(.accept, with: SystemError(code: code), times: 5)
            let client = proxy.connect()
            client.send("hello")
            proxy.settle()
            #expect(proxy.active == 0)
            #expect(proxy[.pause(.exhausted)] == 1)

            let waits = proxy.waits
            proxy.advance(by: WorkerSettings.acceptRetryInterval * 4)
            // Three wake-ups for each retry: two of the timer wheel, one of the listener.
            #expect(proxy.waits - waits <= 12)
            #expect(proxy[.pause(.exhausted)] == 5)
            #expect(client.end == nil)

            proxy.advance(by: WorkerSettings.acceptRetryInterval - .milliseconds(1))
            #expect(proxy.active == 0)
            proxy.advance(by: .milliseconds(1))
            #expect(proxy.active == 1)
            #expect(proxy.server.connections[0].text == "hello")
        }
    }

    @Test("at the descriptor limit, accepting resumes when a connection ends")
    func resumesAfterClose() throws {
        try withProxy { proxy in
            let first = try proxy.connectThrough()
            proxy.world.descriptorLimit = proxy.world.openDescriptors.count
            let second = proxy.connect()
            second.send("hello")
            proxy.settle()
            #expect(proxy.active == 1)

            first.client.close()
            first.server.close()
            proxy.settle()
            #expect(proxy.server.connections.count == 2)
            #expect(proxy.server.connections[1].text == "hello")
        }
    }

    @Test("a burst of clients at the descriptor limit causes neither spinning nor an outage")
    func storm() throws {
        try withProxy(limit: 1000) { proxy in
            proxy.world.descriptorLimit = 20
            let clients = (0..<100).map { _ in proxy.connect() }
            proxy.settle()
            let waits = proxy.waits
            proxy.advance(by: .seconds(10))
            #expect(proxy.waits - waits < 2500)
            #expect(proxy.total - proxy.active < 100)
            proxy.world.descriptorLimit = 1000
            proxy.advance(by: .seconds(1))
            #expect(proxy.total == 100)
            #expect(proxy.active + proxy.closures.values.reduce(0, +) == 100)
            #expect(clients.filter { $0.end == nil }.count == proxy.active)
        }
    }
}
