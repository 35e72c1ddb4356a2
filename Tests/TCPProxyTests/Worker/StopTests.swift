import FakeSystem
import Sockets
import Testing

@testable import TCPProxy

@Suite("Stop accepting")
struct StopAcceptingTests {
    @Test("the accept queue is served, and later clients are refused", arguments: [1, 3, 50])
    func takesQueued(count: Int) throws {
        try withProxy { proxy in
            let clients = (0..<count).map { _ in proxy.connect() }
            for client in clients { client.send("hello") }
            proxy.post(.stopAccepting)
            proxy.settle()
            #expect(proxy.server.connections.map(\.text) == Array(repeating: "hello", count: count))
            let late = proxy.connect()
            proxy.advance(by: .seconds(1))
            #expect(late.end == .failed(.connectionRefused))
            #expect(proxy.active == count)
        }
    }

    @Test("running connections complete before the worker is done")
    func runsToTheEnd() throws {
        try withProxy { proxy in
            let (client, server) = try proxy.connectThrough()
            proxy.post(.stopAccepting)
            proxy.settle()
            #expect(!proxy[0].isDone)
            client.send("late")
            client.finish()
            proxy.advance(by: .seconds(1))
            #expect(server.text == "late")
            proxy.answerAndClose(server, client)
            #expect(proxy[0].isDone)
        }
    }

    @Test("without connections the worker is done when its listeners close")
    func idle() throws {
        try withProxy { proxy in
            proxy.stopAccepting()
            #expect(proxy[0].isDone)
            #expect(proxy.world.openDescriptors == [])
        }
    }

    @Test("a client that waits for its server still gets it")
    func whileDialing() throws {
        try withProxy { proxy in
            _ = proxy.connectSlowly(sending: "hello")
            proxy.stopAccepting()
            #expect(proxy.server.connections.first?.text == "hello")
        }
    }

    @Test("beyond the limit, connections in the accept queue still wait for a permit")
    func atTheMaximum() throws {
        try withProxy(limit: 1) { proxy in
            let first = try proxy.connectThrough().client
            let second = proxy.connect(sending: "hello")
            proxy.stopAccepting()
            #expect(second.end == nil)
            first.reset()
            proxy.advance(by: .seconds(1))
            #expect(proxy.server.connections.last?.text == "hello")
            second.reset()
            proxy.advance(by: .seconds(1))
            #expect(proxy[0].isDone)
            #expect(proxy[0].timersLeft == [])
            #expect(proxy.total == 2)
            #expect(proxy[.pause(.connections)] <= 2)
        }
    }

    @Test("without descriptors, connections in the accept queue still wait for one")
    func whilePaused() throws {
        try withProxy { proxy in
            proxy.world.faults.fail(.accept, with: .tooManyOpenFiles, times: 20)
            let client = proxy.connect(sending: "hello")
            proxy.post(.stopAccepting)
            proxy.advance(by: .seconds(5))
            #expect(proxy.server.connections.last?.text == "hello")
            proxy.reset(client)
            #expect(proxy[0].isDone)
            #expect(proxy[0].timersLeft == [])
        }
    }

    @Test("the socket stays open for pending handshakes, and new ones are not accepted")
    func handshakes() throws {
        try withProxy { proxy in
            proxy.post(.stopAccepting)
            proxy.settle()
            let late = proxy.connect()
            proxy.advance(by: WorkerSettings.handshakeTimeout - .milliseconds(5))
            #expect(!proxy[0].isDone)
            #expect(late.end == nil)
            proxy.advance(by: .milliseconds(10))
            #expect(proxy[0].isDone)
            #expect(late.end == .failed(.connectionRefused))
            #expect(proxy.total == 0)
        }
    }

    @Test("a repeated stop has no effect")
    func twice() throws {
        try withProxy { proxy in
            let (client, server) = try proxy.connectThrough()
            for _ in 0..<2 {
                proxy.post(.stopAccepting)
                proxy.settle()
            }
            client.send("still here")
            proxy.settle()
            #expect(server.text == "still here")
        }
    }

    @Test("one worker stops without affecting the others")
    func oneOfTwo() throws {
        try withProxy(workers: 2) { proxy in
            proxy.stopAccepting(0)
            #expect(proxy[0].isDone)
            _ = proxy.connect(sending: "hello")
            #expect(proxy.server.connections.first?.text == "hello")
            #expect(!proxy[1].isDone)
        }
    }
}

@Suite("Forced close")
struct ForcedCloseTests {
    @Test("a forced close resets both sides of all connections")
    func resetsAll() throws {
        try withProxy { proxy in
            let pairs = try (0..<5).map { _ in try proxy.connectThrough() }
            proxy.server.answer = .silence
            let dialing = proxy.connect()
            proxy.settle()
            let queued = proxy.connect()
            proxy.post(.closeAll)
            proxy.settle()
            for (client, server) in pairs {
                #expect(client.end == .failed(.connectionReset))
                #expect(server.end == .failed(.connectionReset))
            }
            #expect(dialing.end == .failed(.connectionReset))
            #expect(queued.end == .failed(.connectionReset))
            #expect(proxy[0].isDone)
            #expect(proxy.closures == [.by(.proxy, .forced): 6])
        }
    }

    @Test("a forced close counts discarded bytes")
    func discarded() throws {
        try withProxy(in: .small()) { proxy in
            _ = try proxy.stalledUpload(of: 10_000)
            proxy.post(.closeAll)
            proxy.settle()
            #expect(proxy[.discardedUpstream] == 10_000 - 4096)
            #expect(proxy[.discardedDownstream] == 0)
        }
    }

    @Test("a forced close after a stop ends the remaining connections immediately")
    func afterStopping() throws {
        try withProxy { proxy in
            let ends = try proxy.connectThrough()
            let stays = try proxy.connectThrough()
            proxy.post(.stopAccepting)
            ends.client.close()
            ends.server.close()
            proxy.advance(by: .seconds(30))
            #expect(!proxy[0].isDone)
            proxy.post(.closeAll)
            proxy.settle()
            #expect(proxy[0].isDone)
            #expect(stays.client.end == .failed(.connectionReset))
            #expect(proxy.closures == [.by(.client, .ended): 1, .by(.proxy, .forced): 1])
        }
    }

    @Test("a forced close ends a reset drain")
    func whileDelivering() throws {
        try withProxy(in: .small()) { proxy in
            proxy.reset(try proxy.stalledUpload(of: 10_000).client)
            #expect(proxy.active == 1)
            proxy.post(.closeAll)
            proxy.settle()
            #expect(proxy.closures == [.by(.proxy, .forced): 1])
            #expect(proxy[.discardedUpstream] == 10_000 - 4096)
        }
    }
}
