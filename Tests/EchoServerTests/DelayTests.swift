import EchoServer
import FakeSystem
import Randomness
import Sockets
import Testing

@Suite("Delayed echo")
struct DelayTests {
    /// Sends one message after another and measures the latency of each response.
    private func delays(
        of count: Int,
        _ distribution: EchoServer.DelayDistribution,
        seed: UInt64 = 0,
        connections: Int = 1
    ) throws -> [Duration] {
        let server = try EchoWorkerHarness {
            $0.delay = distribution
            $0.seed = seed
        }
        var delays: [Duration] = []
        for _ in 0..<connections {
            let client = server.connect()
            for number in 0..<count {
                client.send([UInt8(truncatingIfNeeded: number)])
                let sent = server.world.clock
                server.run()
                if client.received.count == number { server.run(.seconds(30)) }
                let last = try #require(client.arrivals.last?.at)
                try #require(client.received.count == number + 1)
                delays.append(last.since(sent))
            }
        }
        return delays
    }

    private func expectKept(_ measured: [Duration], _ asked: [Duration], at location: SourceLocation = #_sourceLocation)
    {
        #expect(measured.count == asked.count, sourceLocation: location)
        for (measured, asked) in zip(measured, asked) {
            // Never early, and less than one millisecond tick late.
            #expect(measured >= asked && measured < asked + .milliseconds(1), sourceLocation: location)
        }
    }

    @Test("A constant delay is kept", arguments: [0, 1, 10, 250, 3000])
    func constant(milliseconds: Int) throws {
        let delay = Duration.milliseconds(milliseconds)
        expectKept(try delays(of: 5, .constant(delay)), Array(repeating: delay, count: 5))
    }

    @Test("A delay of zero takes no time")
    func zero() throws {
        #expect(try delays(of: 5, .constant(.zero)).allSatisfy { $0 == .zero })
    }

    @Test("Each connection iterates the delay list independently")
    func list() throws {
        let list: [Duration] = [.milliseconds(1), .milliseconds(500), .zero, .milliseconds(20)]
        let expected = list + list + list.prefix(2)
        expectKept(try delays(of: 10, .list(list), connections: 2), expected + expected)
    }

    @Test("Uniform delays cover their full range")
    func uniform() throws {
        let measured = try delays(of: 2000, .uniform(from: .milliseconds(10), to: .milliseconds(20)))
        #expect(measured.allSatisfy { $0 >= .milliseconds(10) && $0 < .milliseconds(21) })
        for millisecond in 10..<20 {
            let count = measured.count { $0 > .milliseconds(millisecond) && $0 <= .milliseconds(millisecond + 1) }
            #expect((120..<290).contains(count), "\(count) of 2000 from \(millisecond) ms on")
        }
    }

    @Test("Exponential delays have the expected mean and tail")
    func exponential() throws {
        let measured = try delays(of: 4000, .exponential(mean: .milliseconds(100)))
        let mean = measured.reduce(.zero, +) / measured.count
        #expect(mean > .milliseconds(95) && mean < .milliseconds(106), "\(mean)")
        // e^-1 and e^-3 of them take longer than the mean and three times the mean.
        #expect((1370..<1580).contains(measured.count { $0 > .milliseconds(100) }))
        #expect((150..<250).contains(measured.count { $0 > .milliseconds(300) }))
    }

    @Test("The same seed draws the same delays; another seed draws others")
    func seeds() throws {
        let distribution = EchoServer.DelayDistribution.uniform(from: .zero, to: .seconds(1))
        let first = try delays(of: 20, distribution, seed: 1)
        #expect(try delays(of: 20, distribution, seed: 1) == first)
        #expect(try delays(of: 20, distribution, seed: 2) != first)
    }

    @Test("A chunk never overtakes an earlier one with a longer delay")
    func order() throws {
        let server = try EchoWorkerHarness { $0.delay = .list([.milliseconds(50), .zero, .milliseconds(10)]) }
        let client = server.connect()
        for text in ["first ", "second ", "third "] {
            client.send(text)
            server.run()
        }
        server.run(.milliseconds(49))
        #expect(client.text == "")
        server.run(.milliseconds(2))
        #expect(client.text == "first second third ")
    }

    @Test("Delays of chunks overlap")
    func pipelined() throws {
        let server = try EchoWorkerHarness { $0.delay = .constant(.milliseconds(100)) }
        let client = server.connect()
        for _ in 0..<10 {
            client.send("x")
            server.run(.milliseconds(10))
        }
        for number in 1...10 {
            server.run(.milliseconds(number == 1 ? 1 : 10))
            #expect(client.received.count == number)
        }
    }

    @Test("A FIN waits for the delayed bytes before it")
    func end() throws {
        let server = try EchoWorkerHarness { $0.delay = .constant(.milliseconds(100)) }
        let client = server.connect()
        client.send("last")
        client.finish()
        server.run(.milliseconds(99))
        #expect(client.text == "" && !client.hasReceivedFIN)
        server.run(.milliseconds(2))
        #expect(client.text == "last")
        #expect(client.process.hasClosed && !client.process.hasReset)
    }

    @Test("Delayed bytes are bounded, and all are delivered")
    func bounded() throws {
        let server = try EchoWorkerHarness { $0.delay = .constant(.seconds(1)) }
        let client = server.connect()
        let bytes = (0..<300_000).map { BytePattern.byte(at: $0) }
        client.send(bytes)
        server.run(.milliseconds(500))
        #expect(client.unreceived == 300_000 - 65_536)

        let other = server.connect()
        // One byte in each receive, so that the number of delays is the limit.
        server.world.faults.largestTransfer = 1
        other.send(Array(bytes.prefix(3000)))
        server.run(.milliseconds(100))
        #expect(other.unreceived == 3000 - 1024)
        server.world.faults.largestTransfer = .max

        server.run(.seconds(10))
        #expect(client.received == bytes)
        #expect(other.received == Array(bytes.prefix(3000)))
        client.finish()
        other.finish()
        server.run(.seconds(2))
        #expect(server.counters.ended == 2)
    }

    @Test("A client that does not read blocks only itself")
    func stalledReader() throws {
        let server = try EchoWorkerHarness { $0.delay = .constant(.milliseconds(10)) }
        let (client, other) = (server.connect(), server.connect())
        client.window = 0
        client.send("late")
        other.send("in time")
        let waits = server.waits
        server.run(.seconds(10))
        #expect(other.text == "in time")
        #expect(server.waits - waits < 20)
        client.widenWindow(by: 2)
        server.run()
        client.widenWindow(by: 2)
        server.run()
        #expect(client.text == "late")
    }

    @Test("A reset discards delayed bytes")
    func reset() throws {
        let server = try EchoWorkerHarness { $0.delay = .constant(.seconds(1)) }
        let client = server.connect(sending: "lost")
        client.reset()
        server.run()
        #expect(client.process.hasClosed)
        let next = server.connect()
        server.run(.seconds(5))
        #expect(next.text == "")
    }
}
