import FakeSystem
import Glibc
import Sockets
import Testing

@testable import TCPProxy

@Suite("Connect timeouts")
struct ConnectDeadlineTests {
    @Test("an attempt that times out is followed by the next address, exactly at its deadline")
    func attempt() throws {
        try withProxy(upstreams: 2) { proxy in
            proxy.servers[0].answer = .silence
            let client = proxy.connect()
            client.send("hello")
            proxy.advance(by: .milliseconds(4_999))
            #expect(proxy.servers.map(\.attempts) == [1, 0])
            proxy.advance(by: .milliseconds(1))
            #expect(proxy.servers.map(\.attempts) == [1, 1])
            #expect(proxy.servers[1].connections.first?.text == "hello")
            #expect(proxy.failures == [.timeout: 1])
        }
    }

    @Test("all attempts together have a deadline")
    func total() throws {
        try withProxy(upstreams: 5) { proxy in
            for server in proxy.servers { server.answer = .silence }
            let client = proxy.connect()
            proxy.advance(by: .milliseconds(14_999))
            #expect(client.end == nil)
            #expect(proxy.servers.map(\.attempts) == [1, 1, 1, 0, 0])
            proxy.advance(by: .milliseconds(1))
            #expect(client.end == .failed(.connectionReset))
            #expect(proxy.servers.map(\.attempts) == [1, 1, 1, 0, 0])
            #expect(proxy[.refused] == 1)
            #expect(proxy.failures == [.timeout: 3])
            #expect(proxy.closures == [.by(.server, .connectFailed): 1])
        }
    }

    @Test("without timeouts an attempt waits indefinitely")
    func none() throws {
        try withProxy(configure: {
            $0.timeouts.connect = nil
            $0.timeouts.connectAttempt = nil
        }) { proxy in
            proxy.server.answer = .silence
            let client = proxy.connect()
            proxy.settle()
            #expect(proxy[0].nextDeadline == nil)
            proxy.advance(by: .seconds(100_000))
            #expect(client.end == nil)
        }
    }

    @Test("the connect deadline does not affect an established connection")
    func inTime() throws {
        try withProxy(configure: { $0.timeouts.halfClose = nil }) { proxy in
            proxy.server.answer = .accept(after: .milliseconds(4_999))
            let client = proxy.connect()
            proxy.advance(by: .seconds(5))
            #expect(proxy.server.connections.count == 1)
            #expect(proxy[0].nextDeadline == nil)
            let waits = proxy.waits
            proxy.advance(by: .seconds(3600))
            #expect(proxy.waits == waits)
            #expect(client.end == nil)
        }
    }
}

@Suite("Connect time histogram")
struct ConnectTimeTests {
    @Test(
        "a time falls into the bucket of the smallest bound not below it",
        arguments: [
            (.zero, 0.000_1), (.microseconds(100), 0.000_1), (.microseconds(101), 0.000_25),
            (.microseconds(250), 0.000_25), (.milliseconds(1), 0.001), (.nanoseconds(1_000_001), 0.002_5),
            (.milliseconds(100), 0.1), (.seconds(1), 1), (.milliseconds(2_501), 5), (.seconds(10), 10),
            (.nanoseconds(10_000_000_001), nil), (.seconds(1000), nil),
        ] as [(Duration, Double?)]
    )
    func bucket(time: Duration, bound: Double?) throws {
        try withProxy(configure: {
            $0.timeouts.connect = nil
            $0.timeouts.connectAttempt = nil
        }) { proxy in
            proxy.server.answer = .accept(after: time)
            _ = proxy.connect()
            proxy.advance(by: time)
            let bucket = try #require(
                bound.map { DurationHistogram.bounds.firstIndex(of: $0) } ?? DurationHistogram.bounds.count
            )
            let counts = (0...DurationHistogram.bounds.count).map { proxy[.connectTime(bucket: $0)] }
            #expect(counts.reduce(0, +) == 1)
            #expect(counts[bucket] == 1)
            #expect(UInt64(proxy[.connectNanoseconds]) == time.wholeNanoseconds)
        }
    }

    @Test("bounds ascend, and a histogram has a count for each and one overflow")
    func bounds() {
        #expect(DurationHistogram.bounds == DurationHistogram.bounds.sorted())
        #expect(Set(DurationHistogram.bounds).count == DurationHistogram.bounds.count)
        var histogram = DurationHistogram()
        #expect(histogram.counts.count == DurationHistogram.bounds.count + 1)
        histogram.counts[0] = 2
        histogram.counts[DurationHistogram.bounds.count] = 3
        #expect(histogram.count == 5)
    }
}
