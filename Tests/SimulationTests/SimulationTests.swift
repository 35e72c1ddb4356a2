import Testing

@testable import simulate

@Suite("Simulation")
struct SimulationTests {
    /// A sample of the seeds; CI runs many more, with the release build.
    @Test("every seed runs without a violated invariant", arguments: UInt64(0)..<60)
    func seed(seed: UInt64) {
        #expect(Simulation.run(seed: seed).complaints == [])
    }

    /// Former false alarms of the simulation: about which server served which client, the order of bytes, and the order
    /// in which workers receive the final messages.
    @Test("former false alarms stay fixed", arguments: [32_714, 42_360, 64_011, 98_793] as [UInt64])
    func blameless(seed: UInt64) {
        #expect(Simulation.run(seed: seed).complaints == [])
    }

    @Test("the same seed gives the same trace", arguments: [2, 3, 5, 8, 13] as [UInt64])
    func deterministic(seed: UInt64) {
        func story() -> [String] {
            var story: [String] = []
            _ = Simulation.run(seed: seed) { story.append($0) }
            return story
        }
        let first = story()
        let isTheSame = first == story()
        #expect(isTheSame)
        #expect(first.count > 20)
    }

    @Test("a trace listener does not change the run")
    func unheard() {
        let heard = Simulation.run(seed: 21) { _ in }
        let unheard = Simulation.run(seed: 21)
        #expect(heard.totals.turns == unheard.totals.turns)
        #expect(heard.totals.bytes == unheard.totals.bytes)
        #expect(heard.totals.closures == unheard.totals.closures)
    }

    @Test("seeds vary every decision")
    func variety() {
        let scenarios = (0..<200).map { Scenario(seed: $0) }
        #expect(Set(scenarios.map(\.traffic)).count == 2)
        #expect(Set(scenarios.map(\.workers)) == [1, 2, 3])
        #expect(Set(scenarios.map(\.configuration.engine)).count == 3)
        let crowds = scenarios.count { $0.crowd != nil }
        #expect(crowds > 0 && crowds < scenarios.count)
        let troubles: [KeyPath<Scenario, Double>] = [
            \.shortTransfers, \.wouldBlocks, \.doubledEvents, \.lateEvents, \.staleEvents, \.interruptedWaits,
            \.exhaustion, \.pipeFailures, \.transferFailures, \.resets, \.dialTrouble, \.delayedTurns,
            \.interleavedTurns, \.misbehaviour,
        ]
        for trouble in troubles {
            let count = scenarios.count { $0[keyPath: trouble] > 0 }
            #expect(count > 0 && count < scenarios.count)
        }
    }

    @Test("a valid range of seeds is parsed, and an invalid one is not")
    func range() {
        #expect(Run("0..1000")?.seeds == 0..<1000)
        for text in ["", "5", "5..5", "9..5", "a..b", "1...5", "-1..5", "0..18446744073709551616"] {
            #expect(Run(text) == nil)
        }
    }
}
