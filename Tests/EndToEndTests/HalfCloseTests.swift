import Support
import Testing

private let megabyte = 1 << 20

@Suite("The two directions close independently", .ownThreads, .eachEngine, .serialized, .timeLimit(.minutes(2)))
struct HalfCloseTests {
    @Test("A FIN is forwarded as a FIN, and the other direction continues", arguments: Direction.allCases)
    func halfClose(_ direction: Direction) async throws {
        let pattern = Pattern(seed: 11)
        try await withRelayedPair { _, pair in
            try pair.halfClose(direction, after: "the end")
            let back = direction.other
            async let sending: Void = {
                try pair.sender(back).send(pattern, count: 8 * megabyte)
                try pair.sender(back).finish()
            }()
            let received = try pair.receiver(back).receiveRest(of: pattern)
            #expect(received == (8 * megabyte, .fin))
            try await sending
        }
    }

    @Test("A half-closed connection may be idle and then continue", arguments: Direction.allCases)
    func restAfterHalfClose(_ direction: Direction) async throws {
        try await withRelayedPair { _, pair in
            try pair.halfClose(direction)
            let back = direction.other
            for round in 0..<20 {
                try pair.sender(back).send("round \(round);")
                try pair.receiver(back).receive("round \(round);")
            }
            try pair.halfClose(back)
        }
    }

    @Test("The FIN follows the last byte, even for a slow reader", arguments: Direction.allCases)
    func finAfterLastByte(_ direction: Direction) async throws {
        let pattern = Pattern(seed: 12)
        try await withRelayedPair(receiveBuffer: 8192) { _, pair in
            let sent = try await sendUntilStuck([pair.sender(direction)], pattern)[0]
            try pair.sender(direction).finish()
            let received = try pair.receiver(direction).receiveRest(of: pattern)
            #expect(received == (sent, .fin))
        }
    }

    @Test("Both sides may close at the same time")
    func bothAtOnce() async throws {
        try await withRelayedPairs(20) { pair in
            try pair.client.send("a")
            try pair.server.send("b")
            try pair.client.finish()
            try pair.server.finish()
            #expect(try pair.client.receiveRest() == .init(bytes: Array("b".utf8), end: .fin))
            #expect(try pair.server.receiveRest() == .init(bytes: Array("a".utf8), end: .fin))
        }
    }
}
