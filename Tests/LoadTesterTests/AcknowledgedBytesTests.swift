import FakeSystem
import Sockets
import Testing

@testable import LoadTester

/// Bytes sent count only if the target's kernel has acknowledged them.
@Suite("Acknowledged bytes")
struct AcknowledgedBytesTests {
    /// Resets each connection when its first bytes arrive.
    private struct Resetting: FakeTarget {
        mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
            [TargetEvent(at: now, .reset)]
        }
    }

    /// Never sends anything.
    private struct Silent: FakeTarget {}

    private func upload() -> StreamWorkload { StreamWorkload(LoadTest.Bulk(.upload)) }

    @Test("an upload that is reset counts what had arrived, on all connections that replace each other")
    func resetUpload() throws {
        let run = try run(Resetting(), workload: upload(), connections: 3) { _, world in
            world.latency = .milliseconds(1)
            world.sendBuffer = 1 << 20
            world.receiveBuffer = 32_768
        }
        #expect(run.counts.failures[.reset] > 3)
        #expect(run.server.received == 32_768 * run.counts.failures[.reset])
        #expect(run.counts.bytesSent >= (1 << 20) * run.counts.failures[.reset])
        #expect(run.counts.bytesAcknowledged == run.server.received)
    }

    @Test("a request that is reset counts what had arrived", arguments: [false, true])
    func resetRequest(isPerExchange: Bool) throws {
        let workload = EchoWorkload(.generated(count: 1 << 20), thread: 0)
        let run = try run(Resetting(), workload: workload, connections: 3) { configuration, world in
            if isPerExchange { configuration.lifecycle = .perExchange(.fin) }
            world.latency = .milliseconds(1)
            world.sendBuffer = 1 << 20
            world.receiveBuffer = 32_768
        }
        #expect(run.counts.failures[.reset] > 3)
        #expect(run.counts.bytesAcknowledged == run.server.received)
    }

    @Test("bytes under way when the tester itself ends the connections do not count", arguments: [true, false])
    func end(isUpload: Bool) throws {
        func check(_ run: GeneratorRun) throws {
            #expect(run.counts.bytesSent > 1_000_000)
            #expect(run.counts.bytesAcknowledged == 131_072)
            #expect(run.server.received == 196_608)
            let (start, end) = (try #require(run.result.atStart), try #require(run.result.atEnd))
            #expect((end - start).bytesAcknowledged == 131_072)
        }
        let prepare = { (configuration: inout GeneratorPlan, world: FakeWorld) in
            // A full receive buffer arrives every 300 ms, and its acknowledgment after another 300 ms.
            world.latency = .milliseconds(300)
            world.sendBuffer = 1 << 20
            configuration.drain = .zero
        }
        if isUpload {
            try check(run(Silent(), workload: upload(), prepare: prepare))
        } else {
            let workload = EchoWorkload(.generated(count: 2 << 20), thread: 0)
            try check(run(Silent(), workload: workload, prepare: prepare))
        }
    }

    @Test("a FIN under way does not count as a byte")
    func fin() throws {
        let run = try run(Silent(), workload: upload()) { configuration, world in
            world.latency = .milliseconds(100)
            // All bytes are acknowledged before the end, and the FIN is not.
            world.sendBuffer = 1000
            configuration.duration = .milliseconds(250)
            configuration.drain = .milliseconds(150)
        }
        #expect(run.counts.bytesSent > 0)
        #expect(run.counts.bytesAcknowledged <= run.server.received)
        #expect(run.counts.bytesAcknowledged % 1000 == 0)
    }

    @Test("the bytes of a timeline are those of acknowledged requests, and never negative")
    func timeline() {
        var collector = Collector(threads: 1, interval: .seconds(1))
        func report(_ interval: Int, sent: Int, lost: Int, unacknowledged: Int) {
            var counts = Counts()
            (counts.bytesSent, counts.bytesLost, counts.bytesUnacknowledged) = (sent, lost, unacknowledged)
            _ = collector.add(IntervalReport(sample: .fresh(), counts: counts, interval: interval), of: 0)
        }
        report(0, sent: 0, lost: 0, unacknowledged: 0)
        report(1, sent: 1000, lost: 0, unacknowledged: 900)
        report(2, sent: 3000, lost: 900, unacknowledged: 500)
        #expect(collector.timeline.map(\.upstreamPerSecond) == [100, 1500])
    }
}
