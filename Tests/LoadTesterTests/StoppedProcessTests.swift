import FakeSystem
import Sockets
import Testing

@testable import LoadTester

/// A process that is stopped for a while (SIGSTOP, a frozen cgroup, a suspended host) finds its deadlines passed and
/// events waiting. Events that were in time are processed before the deadlines are judged.
@Suite("A stopped process")
struct StoppedProcessTests {
    /// Accepts a connection after a millisecond, and answers a request after another one.
    private struct Target: FakeTarget {
        var response: Duration = .milliseconds(1)

        mutating func answer(attempt number: Int, at now: Instant) -> FakeServer.Answer {
            .accept(after: .milliseconds(1))
        }

        mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
            [TargetEvent(at: now + response, .send(bytes))]
        }
    }

    private func run(
        stoppedAfter moment: UInt64,
        _ target: Target = Target(),
        lifecycle: GeneratorPlan.Lifecycle = .kept,
        size: Int = 64,
        batch: Int = 4,
        prepare: (inout GeneratorPlan) -> Void = { _ in }
    ) throws -> GeneratorRun {
        let run = try LoadTesterTests.run(
            target,
            workload: EchoWorkload(.generated(count: size), thread: 0),
            connections: 40,
            duration: .seconds(6),
            callCost: .microseconds(1),
            batch: batch,
            stop: (moment, .seconds(4))
        ) { configuration, _ in
            configuration.lifecycle = lifecycle
            configuration.schedule = Schedule(.constant(200), arrivals: .constant)
            configuration.timeout = .milliseconds(100)
            configuration.connectTimeout = .milliseconds(100)
            prepare(&configuration)
        }
        #expect(run.world.openDescriptors == [])
        return run
    }

    @Test(
        "no exchange times out that was answered in time, wherever the process is stopped",
        arguments: [GeneratorPlan.Lifecycle.kept, .perExchange(.fin)],
        stride(from: 0, to: 6_500_000, by: 397_000).map { $0 }
    )
    func exchanges(lifecycle: GeneratorPlan.Lifecycle, offset: Int) throws {
        // The run starts two seconds after the beginning of the world's clock.
        let run = try run(stoppedAfter: .seconds(3) + UInt64(offset), lifecycle: lifecycle)
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.answered == 1200)
    }

    @Test(
        "no connect times out that completed in time, wherever the process is stopped",
        arguments: stride(from: 0, to: 1_400_000, by: 73_000).map { $0 }
    )
    func connects(offset: Int) throws {
        let run = try run(stoppedAfter: .seconds(1) + UInt64(offset))
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.connected == 40)
    }

    @Test("a response that arrived before the end of the drain counts as answered", arguments: [1, 4, 256])
    func drain(batch: Int) throws {
        let target = Target(response: .milliseconds(90))
        // Stopped 20 ms after the end of the measured time.
        let run = try run(stoppedAfter: .milliseconds(8020), target, batch: batch) { configuration in
            configuration.drain = .milliseconds(95)
        }
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.unanswered == 0)
    }

    @Test("a response of many reads that arrived in time does not time out")
    func longResponses() throws {
        let target = Target(response: .milliseconds(1))
        let run = try run(stoppedAfter: .milliseconds(3001), target, size: 60_000, batch: 256) { configuration in
            configuration.bufferSize = 2000
        }
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.answered == 1200)
    }

    @Test("a request without a response times out even if every poll returns a full batch")
    func fullBatches() throws {
        struct Target: FakeTarget {
            mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
                number == 0 ? [] : [TargetEvent(at: now, .send(bytes))]
            }
        }
        let run = try LoadTesterTests.run(
            Target(),
            workload: EchoWorkload(.generated(count: 64), thread: 0),
            connections: 8,
            duration: .milliseconds(300),
            callCost: .microseconds(10),
            batch: 1
        ) { configuration, _ in configuration.timeout = .milliseconds(100) }
        #expect(run.counts.failures[.timeout] == 1)
    }

    @Test("all events before a time are processed after a batch that is not full, or after enough full ones")
    func processed() {
        func instant(_ number: UInt64) -> Instant { Instant(nanoseconds: number) }
        var processed = ProcessedEvents(until: instant(1), eventsPerWait: 4, descriptors: 10)
        processed.note(began: instant(2), events: 3)
        #expect(processed.until == instant(2))
        processed.note(began: instant(3), events: 4)
        processed.note(began: instant(4), events: 4)
        #expect(processed.until == instant(2))
        processed.note(began: instant(5), events: 4)
        #expect(processed.until == instant(3))
        processed.note(began: instant(6), events: 4)
        #expect(processed.until == instant(3))
        processed.note(began: instant(7), events: 0)
        #expect(processed.until == instant(7))
    }
}
