import Sockets
import Testing

@testable import TCPProxy

@Suite("Answer of a worker to a connection query")
struct ConnectionAnswerTests {
    private func entry(_ openedAt: UInt64) -> ConnectionEntry {
        ConnectionEntry(
            id: ConnectionID(worker: 0, count: openedAt),
            client: .unix,
            listener: 0,
            pool: 0,
            server: nil,
            stage: .relaying,
            bytesUpstream: 0,
            bytesDownstream: 0,
            openedAt: Instant(nanoseconds: openedAt),
            age: .zero,
            slot: 0
        )
    }

    @Test("the oldest connections are kept, in whatever order they are found", arguments: [0, 1, 2, 7, 100, 200])
    func oldest(limit: Int) {
        var answer = ConnectionAnswer()
        // 37 has no common divisor with 101, so these are the numbers from 0 to 100.
        for index in 0..<101 { answer.add(entry(UInt64(index * 37 % 101)), limit: limit) }
        answer.keepOldest(limit)
        #expect(answer.total == 101)
        #expect(answer.entries.map(\.openedAt.nanoseconds).sorted() == (0..<UInt64(min(limit, 101))).map { $0 })
    }
}
