import EventLoop
import FakeSystem
import Sockets
import Testing

@testable import LoadTester

extension UInt64 {
    static func milliseconds(_ count: UInt64) -> UInt64 { count * 1_000_000 }
    static func seconds(_ count: UInt64) -> UInt64 { count * 1_000_000_000 }
}

extension FakeSystem: LoadSystem {
    var calls: Int { world.calls }
    var processorTime: ProcessorTime { ProcessorTime() }
    var eventsPerWait: Int { poller.batchLimit }
}

/// The result of a generator, and the final state of its world.
struct GeneratorRun {
    /// Numbers of calls of the generator.
    struct Calls {
        var registrations = 0
        var acknowledgements = 0
        var closes = 0
        var aborts = 0
    }

    let result: ThreadResult
    let world: FakeWorld
    let server: TargetServer
    let calls: Calls
    /// The start time on the world's clock.
    let start: Instant

    var latency: LoadTest.LatencySummary { LoadTest.LatencySummary(result.sample.fromDue) }
    var latencyFromSend: LoadTest.LatencySummary { LoadTest.LatencySummary(result.sample.fromSend) }
    var counts: Counts { result.counts }
}

/// Runs one thread's generator to its end, against a target in a fake world.
///
/// - Parameters:
///   - commands: commands by their time on the world's clock.
///   - seed: determines the random choices of the world.
///   - callCost: duration of each call on the world's clock.
///   - batch: maximum number of events of one wait.
///   - stop: at the first call after a time on the world's clock, the process is stopped, as by SIGSTOP.
///   - prepare: changes the configuration and the world before the start, which is one second after the world's
///     beginning.
func run<Load: Workload & ~Copyable>(
    _ target: any FakeTarget,
    workload: consuming Load,
    connections: Int = 1,
    duration: Duration = .seconds(1),
    commands: [(at: UInt64, command: GeneratorCommand)] = [],
    seed: UInt64 = 0,
    callCost: Duration = .zero,
    batch: Int = 256,
    stop: (after: UInt64, length: Duration)? = nil,
    prepare: (inout GeneratorPlan, FakeWorld) -> Void = { _, _ in }
) throws -> GeneratorRun {
    let world = FakeWorld(seed: seed)
    let server = TargetServer(target, in: world)
    var configuration = GeneratorPlan(
        target: RawAddress(TargetServer.address),
        connections: connections,
        duration: duration
    )
    // No interval reports: all measurements are in the `ThreadResult`.
    configuration.interval = .seconds(1_000_000)
    prepare(&configuration, world)
    var calls = GeneratorRun.Calls()
    var stop = stop
    world.onCall = { [unowned world] call in
        if callCost > .zero { world.advance(to: world.clock + callCost) }
        if let now = stop, world.clock.nanoseconds >= now.after {
            stop = nil
            world.advance(to: world.clock + now.length)
        }
        switch call {
        case .register: calls.registrations += 1
        case .sendDelayedACK: calls.acknowledgements += 1
        case .close: calls.closes += 1
        case .abort: calls.aborts += 1
        default: break
        }
    }
    let system = FakeSystem(in: world, batch: batch, wakerToken: .loadWaker)
    let mailbox = Mailbox<GeneratorCommand>(waker: system.waker)
    let start = world.clock + .seconds(1)
    for (moment, command) in commands {
        world.plan(at: Instant(nanoseconds: moment)) { mailbox.post(command) }
    }
    let outbox = Outbox()
    var generator = Generator(
        system: system,
        workload: workload,
        configuration: configuration,
        mailbox: mailbox,
        outbox: outbox,
        opened: { _ in mailbox.post(.start(at: start)) }
    )
    generator.run()
    // The interval reports at the start and the end of the measured time, and the final result.
    guard var result = outbox.takeThreadResult() else { throw MissingResult() }
    if let report = outbox.take() { result.sample.merge(report.sample) }
    #expect(world.problems == [])
    return GeneratorRun(result: result, world: world, server: server, calls: calls, start: start)
}

struct MissingResult: Error {}
