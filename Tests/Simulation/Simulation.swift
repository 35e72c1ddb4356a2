import FakeSystem
import Sockets

/// One seed's run, from the first client to the last descriptor.
final class Simulation {
    /// The result of a run.
    struct Outcome {
        /// Violated invariants; empty if there are none.
        var complaints: [String]
        var connections = 0
        var bytes = 0
        var spliced = 0
        var turns = 0
        var closures: [MetricsSnapshot.Closure: Int] = [:]
        var failures: [ConnectFailure: Int] = [:]
    }

    private let scenario: Scenario
    private let world: FakeWorld
    private let crew: Crew
    private let cast: Cast
    private let witness: Witness

    /// Time that bytes and FINs may need on a bad network after all programs have been asked to finish.
    private static let patience: Duration = .seconds(120)

    private init(_ scenario: Scenario, tell: ((String) -> Void)?) throws(SystemError) {
        self.scenario = scenario
        world = scenario.makeWorld()
        world.listener = tell
        crew = try Crew(in: world, scenario: scenario)
        cast = Cast(scenario, in: world)
        witness = Witness(scenario, crew)
    }

    /// - Parameter tell: receives a line for everything that happens.
    static func run(seed: UInt64, tell: ((String) -> Void)? = nil) -> Outcome {
        let scenario = Scenario(seed: seed)
        tell?(scenario.description)
        do throws(SystemError) {
            let simulation = try Simulation(scenario, tell: tell)
            return simulation.play()
        } catch {
            return Outcome(complaints: ["the workers could not be made: \(error)"])
        }
    }

    private func play() -> Outcome {
        scenario.begin(in: world)
        let tell = { [unowned world] (line: String) in
            world.listener?("\(world.clock.nanoseconds / 1_000) us: \(line)") ?? ()
        }
        if world.listener != nil { cast.tell = tell }
        cast.onProgram = { [unowned witness] in witness.meet($0) }
        crew.onTurn = { [unowned witness] in witness.turned($0) }
        crew.onRest = { [unowned witness] in witness.rest() }
        if scenario.delayedTurns > 0 { crew.delayOfTurn = { [unowned cast] in cast.delayOfTurn() } }
        if scenario.interleavedTurns > 0 {
            crew.isInterleaved = { [unowned cast] in cast.interleavesTurn() }
            crew.interleave()
        }
        cast.plan(through: crew)

        switch scenario.shutdown {
        case .atEnd:
            advance(by: Cast.duration)
            advance(by: Self.patience) { self.crew.active == 0 && self.cast.isOver }
            stopAccepting()
            advance(by: .seconds(1))
        case .after(let delay, let grace):
            advance(by: delay)
            stopAccepting()
            advance(by: grace)
        case .cut(let delay):
            advance(by: delay)
        }
        cut()
        return outcome()
    }

    private func advance(by duration: Duration, orUntil isOver: () -> Bool = { false }) {
        guard !hasFailed else { return }
        crew.advance(to: world.clock + duration) { hasFailed || isOver() }
        if crew.isSpinning { witness.complain("the workers are spinning") }
    }

    private var hasFailed: Bool { crew.isSpinning || !witness.complaints.isEmpty }

    private func stopAccepting() {
        cast.tell("the workers are asked to stop accepting")
        witness.isStopping = true
        tellAll(.stopAccepting)
    }

    /// Posts a message to one worker after another, so that some have received it while others have not.
    private func tellAll(_ message: WorkerMessage) {
        for member in crew.members.indices {
            world.plan(after: cast.delayOfWord()) { [unowned crew] in crew.post(message, to: member) }
        }
    }

    private func cut() {
        cast.tell("the workers are asked to close all connections")
        witness.isStopping = true
        witness.cutSince = world.clock
        tellAll(.cut)
        // First for workers that wait for a processor; then for bytes in flight to the peers.
        advance(by: .milliseconds(100))
        if !hasFailed, !crew.isDone { witness.complain("a worker does not end after a forced close") }
        advance(by: .seconds(10))
    }

    private func outcome() -> Outcome {
        if !hasFailed {
            world.onCall = nil
            for member in crew.members { member.worker.finish() }
            witness.judge(cast)
        }
        var outcome = Outcome(complaints: witness.complaints)
        if hasFailed {
            // After a failure the state may be unfit for teardown: its own checks would end the process.
            _ = Unmanaged.passRetained(crew)
            return outcome
        }
        outcome.connections = crew.total
        outcome.bytes = crew[.bytesUpstream] + crew[.bytesDownstream]
        outcome.spliced = crew[.splicedUpstream] + crew[.splicedDownstream]
        outcome.turns = crew.turns
        for reason in CloseReason.allCases {
            for side in Side.allCases {
                outcome.closures[.init(reason: reason, side: side)] = crew[.closure(reason, side)]
            }
        }
        for cause in ConnectFailure.allCases { outcome.failures[cause] = crew[.failure(cause)] }
        return outcome
    }
}
