import Sockets
import Testing

@Suite("Backlog of a poller")
struct PollBacklogTests {
    @Test("a batch that is not full has returned all readiness")
    func notFull() {
        var backlog = PollBacklog()
        let drained = [0, 3, 4, 1].map { backlog.isDrained(after: $0, ofAtMost: 4) }
        #expect(drained == [true, true, false, true])
    }

    @Test("after a limited number of full batches, readiness counts as returned")
    func limit() {
        var backlog = PollBacklog()
        for _ in 0..<2 {
            let drained = (0...PollBacklog.maxFullBatches).map { _ in backlog.isDrained(after: 4, ofAtMost: 4) }
            #expect(drained == Array(repeating: false, count: PollBacklog.maxFullBatches) + [true])
        }
    }
}
