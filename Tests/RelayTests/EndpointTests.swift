import Relay
import Sockets
import Testing

@Suite("Endpoint")
struct EndpointTests {
    /// Returns the state of a new endpoint after a report.
    private func flags(after readiness: Readiness) -> [Bool] {
        var endpoint = Endpoint(nil, canSend: false)
        endpoint.note(readiness)
        return [endpoint.canReceive, endpoint.canSend, endpoint.readsToTheEnd]
    }

    @Test("each event sets only its own flags")
    func flags() {
        #expect(flags(after: []) == [false, false, false])
        #expect(flags(after: .readable) == [true, false, false])
        #expect(flags(after: .writable) == [false, true, false])
        #expect(flags(after: .urgent) == [true, false, true])
        #expect(flags(after: .readHangup) == [true, false, true])
        #expect(flags(after: .hungUp) == [true, false, true])
        #expect(flags(after: .failed) == [true, false, true])
        #expect(flags(after: [.readable, .writable]) == [true, true, false])
    }

    @Test("flags accumulate: events report only changes")
    func accumulates() {
        var endpoint = Endpoint(nil, canSend: true)
        endpoint.note([.readable, .readHangup])
        endpoint.note(.writable)
        #expect(endpoint.canReceive && endpoint.canSend && endpoint.readsToTheEnd)
        #expect(endpoint.failure == nil)
    }
}
