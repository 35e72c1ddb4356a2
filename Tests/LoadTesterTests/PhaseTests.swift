import FakeSystem
import Histogram
import Sockets
import Testing

@testable import LoadTester

/// Warm-up, steps and the end of a run, on a fake target.
@Suite("Phases of a run")
struct PhaseTests {
    private static let afterAMillisecond = DelayingTarget { $0 + .milliseconds(1) }

    private func echo() -> EchoWorkload {
        EchoWorkload(.generated(count: 64), thread: 0)
    }

    @Test("A stop ends the measurement, and the report covers the time until then")
    func stop() throws {
        let run = try run(
            Self.afterAMillisecond,
            workload: echo(),
            duration: .seconds(1000),
            commands: [(.seconds(7), .stop)]
        ) { configuration, _ in configuration.schedule = Schedule(.constant(100), arrivals: .constant) }
        #expect(run.result.measured == .seconds(5))
        #expect(run.counts.due == 500)
        #expect(run.counts.answered == 500)
    }

    @Test("A second stop does not wait for open requests; a stop before the start ends the run")
    func abort() throws {
        let target = DelayingTarget { $0 + .seconds(100) }
        let run = try run(
            target,
            workload: echo(),
            connections: 3,
            duration: .seconds(1000),
            commands: [(.seconds(7), .stop), (.milliseconds(7500), .abort)]
        ) { configuration, _ in
            configuration.schedule = Schedule(.constant(1), arrivals: .constant)
            configuration.drain = .seconds(60)
            configuration.timeout = .seconds(600)
        }
        #expect(run.world.clock == Instant(nanoseconds: .milliseconds(7500)))
        #expect(run.counts.due == 5)
        #expect(run.counts.unanswered == 3)
        #expect(run.counts.unsent == 2)
        #expect(run.world.openDescriptors == [])

        let early = try LoadTesterTests.run(
            Self.afterAMillisecond,
            workload: echo(),
            duration: .seconds(1000),
            commands: [(.milliseconds(1500), .stop)]
        )
        #expect(early.world.clock == Instant(nanoseconds: .milliseconds(1500)))
        #expect(early.counts.due == 0)
        #expect(early.world.openDescriptors == [])
    }

    @Test("A warm-up is counted but not measured")
    func warmUp() throws {
        let run = try run(Self.afterAMillisecond, workload: echo(), connections: 4, duration: .seconds(1)) {
            configuration,
            _ in
            configuration.warmUp = .seconds(2)
            configuration.schedule = Schedule(.constant(100), arrivals: .constant)
        }
        #expect(run.counts.due == 100)
        #expect(run.counts.answered == 100)
        #expect(run.latency.count == 100)
        #expect(run.counts.begun == 300)
        #expect(run.counts.completed == 300)
    }

    @Test("Each step of a ramp contains the requests due in it")
    func steps() throws {
        let run = try run(Self.afterAMillisecond, workload: echo(), connections: 100, duration: .seconds(10)) {
            configuration,
            _ in
            configuration.schedule = Schedule(.ramp(from: 0, to: 1000, over: .seconds(10)), arrivals: .constant)
            configuration.steps = 10
        }
        // From 0 to 1000/s in ten steps: 50, 150, 250 and so on, as requests due at a boundary belong to the later
        // step.
        let due = run.result.steps.map(\.due)
        #expect(due.reduce(0, +) == 5000)
        for (index, count) in due.enumerated() { #expect(abs(count - (50 + 100 * index)) <= 1) }
        #expect(run.result.steps.map(\.answered) == due)
    }
}
