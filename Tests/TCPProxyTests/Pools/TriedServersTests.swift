import Testing

@testable import TCPProxy

@Suite("Servers that a connection has tried")
struct TriedServersTests {
    @Test("only servers that were tried count as tried", arguments: [0, 1, 63, 64, 65, 128, 1_000, 16_383])
    func exact(position: Int) {
        var tried = TriedServers()
        #expect(tried.isEmpty)
        tried.insert(position)
        tried.insert(position)
        #expect(!tried.isEmpty)
        for other in 0..<16_384 where tried.contains(other) != (other == position) {
            Issue.record("position \(other) after \(position) was tried")
        }
    }

    @Test("servers that are 64 apart are tried each")
    func apart() {
        var tried = TriedServers()
        for position in stride(from: 0, to: 64 * TriedServers.maxOthers, by: 64) {
            #expect(!tried.contains(position))
            tried.insert(position)
            #expect(tried.contains(position))
        }
        #expect(!tried.contains(64 * TriedServers.maxOthers))
    }

    @Test("the attempts of a connection are bounded")
    func bound() {
        var tried = TriedServers()
        var attempts = 0
        while let next = (0..<16_384).first(where: { !tried.contains($0) }) {
            tried.insert(next)
            attempts += 1
        }
        #expect(attempts == TriedServers.positionsWithBit + TriedServers.maxOthers)
    }
}
