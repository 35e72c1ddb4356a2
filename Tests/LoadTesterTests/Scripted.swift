import Sockets
import EventLoop

@testable import LoadTester

extension UInt64 {
    static func milliseconds(_ count: UInt64) -> UInt64 { count * 1_000_000 }
    static func seconds(_ count: UInt64) -> UInt64 { count * 1_000_000_000 }
}

/// The result of a generator, and the final state of its world.
struct ScriptedRun<Target: ScriptedTarget> {
    let legacy: ThreadResult
    let world: ScriptedWorld<Target>
    /// The start time on the world's clock.
    let start: UInt64

    var latency: LoadTest.LatencySummary { LoadTest.LatencySummary(legacy.sample.fromDue) }
    var latencyFromSend: LoadTest.LatencySummary { LoadTest.LatencySummary(legacy.sample.fromSend) }
    var counts: Counts { legacy.counts }
}

/// Runs one thread's generator to its end, against a scripted target.
///
/// - Parameters:
///   - commands: commands by their time on the world's clock.
///   - prepare: changes the plan and the world before the start, which is one second after the world's beginning.
func run<Target: ScriptedTarget, Load: Workload & ~Copyable>(
    _ target: Target,
    saying workload: consuming Load,
    connections: Int = 1,
    duration: Duration = .seconds(1),
    commands: [(at: UInt64, command: GeneratorCommand)] = [],
    prepare: (inout GeneratorPlan, ScriptedWorld<Target>) -> Void = { _, _ in }
) throws -> ScriptedRun<Target> {
    let world = ScriptedWorld(target)
    var configuration = GeneratorPlan(
        target: RawAddress(try SocketAddress.anywhere),
        connections: connections,
        duration: duration
    )
    // No bulletins: all measurements are in the `ThreadResult`.
    configuration.interval = .seconds(1_000_000)
    prepare(&configuration, world)
    let mailbox = Mailbox<GeneratorCommand>(waker: SilentWaker())
    let start = world.clock + .seconds(1)
    mailbox.post(.start(at: Instant(nanoseconds: start)))
    for (moment, command) in commands {
        world.configuration(at: moment) { world in
            mailbox.post(command)
            world.wakeUp()
        }
    }
    let outbox = Outbox()
    var generator = Generator(
        system: ScriptedSystem(world),
        workload: workload,
        configuration: configuration,
        mailbox: mailbox,
        outbox: outbox
    )
    generator.run()
    // The bulletins at the start and the end of the measured time, and the final result.
    guard var legacy = outbox.takeThreadResult() else { throw MissingLegacy() }
    if let intervalReport = outbox.take() { legacy.sample.merge(intervalReport.sample) }
    return ScriptedRun(legacy: legacy, world: world, start: start)
}

struct MissingLegacy: Error {}

extension SocketAddress {
    static var anywhere: SocketAddress {
        get throws {
            guard case .socket(let address) = try ServiceAddress(parsing: "127.0.0.1:9") else { throw MissingLegacy() }
            return address
        }
    }
}

/// A target that echoes each chunk after the delay that the closure returns for its arrival time.
struct DelayingTarget: ScriptedTarget {
    /// The time of the response by the time of arrival, both relative to the start of the world.
    var answer: @Sendable (UInt64) -> UInt64

    mutating func receive(_ bytes: [UInt8], on number: Int, at now: UInt64) -> [ScriptedEvent] {
        [ScriptedEvent(at: answer(now), .bytes(bytes))]
    }
}
