import Logging
import TCPProxy
import Testing

@testable import monkey

@Suite("Log of exhausted resources")
struct ExhaustionLogTests {
    private let start = ContinuousClock.now

    private func snapshot(pauses: Int = 0, refusals: Int = 0) -> MetricsSnapshot {
        var snapshot = MetricsSnapshot()
        snapshot.acceptPauses[.exhausted] = pauses
        snapshot.acceptPauses[.connections] = 100
        snapshot.memoryAllocationFailures = refusals
        return snapshot
    }

    @Test("nothing is logged without a new failure")
    func none() {
        var log = ExhaustionLog()
        let logged = [
            log.line(for: snapshot(), at: start),
            log.line(for: snapshot(pauses: 1), at: start),
            log.line(for: snapshot(pauses: 1), at: start + .seconds(60)),
        ].map { $0 != nil }
        #expect(logged == [false, true, false])
    }

    @Test("the first failure is logged immediately, later ones once per interval, with their count")
    func limited() throws {
        var log = ExhaustionLog()
        let interval = ExhaustionLog.interval
        let first = log.line(for: snapshot(pauses: 2, refusals: 3), at: start)
        #expect(first?.message.hasPrefix("Out of memory: accepting was paused 2 times: ") == true)
        #expect(first?.metadata["accept_pauses"].map { "\($0)" } == "2")
        #expect(first?.metadata["memory_allocation_failures"].map { "\($0)" } == "3")
        let early = log.line(for: snapshot(pauses: 5, refusals: 3), at: start + interval - .milliseconds(1))
        #expect(early?.message == nil)
        let second = log.line(for: snapshot(pauses: 9, refusals: 3), at: start + interval)
        #expect(second?.message.hasPrefix("Out of descriptors or memory: accepting was paused 7 times: ") == true)
    }
}
