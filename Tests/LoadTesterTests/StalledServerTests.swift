import FakeSystem
import Histogram
import Sockets
import Testing

@testable import LoadTester

/// A server that answers after a millisecond, but stalls for one second in ten. The latencies seen by its clients can
/// be computed, and the load tester must report exactly these.
@Suite("A server that stalls one second in ten")
struct StalledServerTests {
    static let start: UInt64 = .seconds(2)
    static let service: UInt64 = .milliseconds(1)

    /// Returns the time of the response; requests in the last second of every ten, counted from the start of the run,
    /// wait until its end.
    static func answer(_ arrival: UInt64) -> UInt64 {
        let passed = arrival - start
        let inPeriod = passed % .seconds(10)
        return inPeriod < .seconds(9) ? arrival + service : arrival - inPeriod + .seconds(10) + service
    }

    private static let target = DelayingTarget { Instant(nanoseconds: answer($0.nanoseconds)) }

    private func openLoop(
        rate: Double,
        connections: Int,
        seconds: Int,
        arrivals: LoadTest.Arrivals = .constant
    ) throws -> GeneratorRun {
        try run(
            Self.target,
            workload: EchoWorkload(.generated(count: 64), thread: 0),
            connections: connections,
            duration: .seconds(seconds)
        ) { configuration, _ in
            configuration.schedule = Schedule(.constant(rate), arrivals: arrivals, seed: 7)
            configuration.drain = .seconds(5)
        }
    }

    /// Returns the expected histogram of these latencies, however they came about.
    private func histogram(_ times: [UInt64]) -> LatencyHistogram {
        var histogram = LatencyHistogram.forLatency()
        for time in times { histogram.record(time) }
        return histogram
    }

    @Test("With a connection for each request, every latency equals the computed one")
    func manyConnections() throws {
        let run = try openLoop(rate: 100, connections: 200, seconds: 30)
        #expect(run.start.nanoseconds == Self.start)
        let due = (0..<3000).map { Self.start + UInt64($0) * .milliseconds(10) }
        let expected = histogram(due.map { Self.answer($0) - $0 })
        #expect(run.result.sample.fromDue == expected)
        #expect(run.result.sample.fromSend == expected)
        #expect(run.counts.due == 3000)
        #expect(run.counts.answered == 3000)
        // A tenth of the requests fall into a stall, and wait half a second on average.
        #expect(abs(run.latency.mean - (0.1 * 0.505 + 0.001)) < 0.001)
        #expect(run.latency.p50 < 0.00101)
        #expect(abs(run.latency.p99 - 0.9) < 0.02)
        #expect(abs(run.latency.max - 1.001) < 1e-9)
    }

    @Test(
        "With one connection, requests queue, and latency counts from the due time",
        arguments: LoadTest.Arrivals.allCases
    )
    func oneConnection(arrivals: LoadTest.Arrivals) throws {
        let run = try openLoop(rate: 400, connections: 1, seconds: 30, arrivals: arrivals)
        // A single server with a queue: each request starts when it is due and the previous one is answered (Lindley's
        // recursion), and is then answered like by the server.
        var schedule = Schedule(.constant(400), arrivals: arrivals, seed: 7)
        var free: UInt64 = 0
        var fromDue: [UInt64] = []
        var fromSend: [UInt64] = []
        while let offset = schedule.next(), offset < .seconds(30) {
            let due = Self.start + offset
            let sent = max(due, free)
            free = Self.answer(sent)
            // Requests that are still queued at the end are not sent.
            guard sent < Self.start + .seconds(30) else {
                fromDue.append(Self.start + .seconds(30) - due)
                continue
            }
            fromDue.append(free - due)
            fromSend.append(free - sent)
        }
        #expect(run.result.sample.fromDue == histogram(fromDue))
        #expect(run.result.sample.fromSend == histogram(fromSend))
        #expect(run.counts.due == fromDue.count)
        #expect(run.counts.unsent == fromDue.count - fromSend.count)
        // Measured from the send, only three requests ever waited; measured from the due time, more than a tenth.
        #expect(run.latency.p99 > 0.9)
        #expect(run.latencyFromSend.p99 < 0.0011)
    }

    @Test("A closed loop hardly shows the stalls")
    func closedLoop() throws {
        let run = try run(
            Self.target,
            workload: EchoWorkload(.generated(count: 64), thread: 0),
            duration: .seconds(30)
        )
        // One request per millisecond, 9,000 in every ten seconds, and one more in the first ten, which have no stall
        // before them. No requests are sent while the server stalls, so three of them are slow.
        #expect(run.counts.answered == 27_001)
        #expect(run.latency.p99 < 0.0011)
        #expect(run.latency.p999 < 0.0011)
        #expect(abs(run.latency.max - 1.001) < 0.001)
        let slow = run.result.sample.fromDue.count(within: .milliseconds(2)...LatencyHistogram.maxLatency)
        #expect(slow == 3)
    }

    @Test("A run that ends in a stall counts unanswered and unsent requests with their age")
    func endInAStall() throws {
        let run = try run(
            Self.target,
            workload: EchoWorkload(.generated(count: 64), thread: 0),
            connections: 4,
            duration: .milliseconds(9500)
        ) { configuration, _ in
            configuration.schedule = Schedule(.constant(100), arrivals: .constant)
            configuration.drain = .milliseconds(100)
        }
        // From 9.0 s on four are sent and 46 wait; at 9.5 s the 46 are counted as unsent, at 9.6 s the four as
        // unanswered.
        #expect(run.counts.due == 950)
        #expect(run.counts.answered == 900)
        #expect(run.counts.unanswered == 4)
        #expect(run.counts.unsent == 46)
        #expect(run.counts.failures[.unanswered] == 4)
        let ages =
            (0..<4).map { UInt64.milliseconds(600 - 10 * UInt64($0)) }
            + (4..<50).map { UInt64.milliseconds(500 - 10 * UInt64($0)) }
        let expected = histogram(Array(repeating: Self.service, count: 900) + ages)
        #expect(run.result.sample.fromDue == expected)
        #expect(run.world.openDescriptors == [])
    }
}
