import FakeSystem
import Sockets

/// One seed's run, from the first client to the last descriptor.
final class Simulation {
    /// The result of a run.
    struct Outcome {
        /// Violated invariants; empty if there are none.
        var complaints: [String]
        var totals = Totals()
    }

    /// What happened in one run, or in several.
    struct Totals {
        var connections = 0
        var bytes = 0
        var spliced = 0
        var turns = 0
        var closures: [MetricsSnapshot.Closure: Int] = [:]
        var failures: [ConnectFailure: Int] = [:]

        static func += (totals: inout Totals, other: Totals) {
            totals.connections += other.connections
            totals.bytes += other.bytes
            totals.spliced += other.spliced
            totals.turns += other.turns
            totals.closures.merge(other.closures, uniquingKeysWith: +)
            totals.failures.merge(other.failures, uniquingKeysWith: +)
        }
    }

    private let scenario: Scenario
    private let world: FakeWorld
    private let harness: WorkerHarness
    private let peers: Peers
    private let checker: InvariantChecker

    /// Time that bytes and FINs may need on a bad network after all programs have been asked to finish.
    private static let patience: Duration = .seconds(120)

    private init(_ scenario: Scenario, tell: ((String) -> Void)?) throws(SystemError) {
        self.scenario = scenario
        world = scenario.makeWorld()
        world.trace = tell
        harness = try WorkerHarness(in: world, scenario: scenario)
        peers = Peers(scenario, in: world)
        checker = InvariantChecker(scenario, harness)
    }

    /// - Parameter tell: receives a line for everything that happens.
    static func run(seed: UInt64, tell: ((String) -> Void)? = nil) -> Outcome {
        let scenario = Scenario(seed: seed)
        tell?(scenario.description)
        do throws(SystemError) {
            let simulation = try Simulation(scenario, tell: tell)
            return FakeTransform.$faults.withValue(scenario.transformFaults) { simulation.play() }
        } catch {
            return Outcome(complaints: ["the workers could not be made: \(error)"])
        }
    }

    private func play() -> Outcome {
        scenario.begin(in: world)
        let tell = { [unowned world] (line: String) in
            world.trace?("\(world.clock.nanoseconds / 1_000) us: \(line)") ?? ()
        }
        if world.trace != nil { peers.tell = tell }
        peers.onProgram = { [unowned checker] in checker.meet($0) }
        harness.onTurn = { [unowned checker] in checker.turned($0) }
        harness.onRest = { [unowned checker] in checker.rest() }
        if scenario.delayedTurns > 0 { harness.delayOfTurn = { [unowned peers] in peers.delayOfTurn() } }
        if scenario.interleavedTurns > 0 {
            harness.isInterleaved = { [unowned peers] in peers.interleavesTurn() }
            harness.interleave()
        }
        peers.plan(through: harness)
        if let stop = scenario.stop {
            world.plan(after: stop.at) { [unowned harness, unowned peers] in
                peers.tell("the process is stopped for \(stop.lasting)")
                harness.stop(for: stop.lasting)
            }
        }

        switch scenario.shutdown {
        case .atEnd:
            advance(by: Peers.duration)
            advance(by: Self.patience) { self.harness.active == 0 && self.peers.isOver }
            stopAccepting()
            advance(by: .seconds(1))
        case .after(let delay, let grace):
            advance(by: delay)
            stopAccepting()
            advance(by: grace)
        case .forced(let delay):
            advance(by: delay)
        }
        forced()
        return outcome()
    }

    private func advance(by duration: Duration, orUntil isOver: () -> Bool = { false }) {
        guard !hasFailed else { return }
        harness.advance(to: world.clock + duration) { hasFailed || isOver() }
        if harness.isSpinning { checker.complain("the workers are spinning") }
    }

    private var hasFailed: Bool { harness.isSpinning || !checker.complaints.isEmpty }

    private func stopAccepting() {
        peers.tell("the workers are asked to stop accepting")
        checker.isStopping = true
        tellAll(.stopAccepting)
    }

    /// Posts a message to one worker after another, so that some have received it while others have not.
    private func tellAll(_ message: WorkerMessage) {
        for member in harness.members.indices {
            world.plan(after: peers.delayOfWord()) { [unowned harness] in harness.post(message, to: member) }
        }
    }

    private func forced() {
        peers.tell("the workers are asked to close all connections")
        checker.isStopping = true
        checker.cutSince = world.clock
        tellAll(.closeAll)
        // First for workers that wait for a processor; then for bytes in flight to the peers.
        if harness.resumesAt > world.clock { advance(by: harness.resumesAt.since(world.clock)) }
        advance(by: .milliseconds(100))
        if !hasFailed, !harness.isDone { checker.complain("a worker does not end after a forced close") }
        advance(by: .seconds(10))
    }

    private func outcome() -> Outcome {
        if !hasFailed {
            world.onCall = nil
            for member in harness.members { member.worker.finish() }
            checker.checkEnd(of: peers)
        }
        var outcome = Outcome(complaints: checker.complaints)
        if hasFailed {
            // After a failure the state may be unfit for teardown: its own checks would end the process.
            _ = Unmanaged.passRetained(harness)
            return outcome
        }
        outcome.totals.connections = harness.total
        outcome.totals.bytes = harness[.bytesUpstream] + harness[.bytesDownstream]
        outcome.totals.spliced = harness[.splicedUpstream] + harness[.splicedDownstream]
        outcome.totals.turns = harness.turns
        for reason in CloseReason.allCases {
            for initiator in CloseInitiator.allCases {
                outcome.totals.closures[.init(reason: reason, initiator: initiator)] =
                    harness[.closure(reason, initiator)]
            }
        }
        for cause in ConnectFailure.allCases { outcome.totals.failures[cause] = harness[.failure(cause)] }
        return outcome
    }
}
