import Sockets
import TCPProxy
import Testing

@testable import LoadBalancer

@Suite("Log of denied clients")
struct DenialLogTests {
    private func snapshot(
        _ counts: [DenyReason: Int],
        name: String = "front"
    ) -> (name: String, denied: [DenyReason: Int], dryRun: [DenyReason: Int]) {
        (name, counts, [.rate: 7])
    }

    private func denial(_ cause: DenyReason, from host: UInt32 = 1, listener: String = "front") -> DeniedConnection {
        DeniedConnection(
            client: .internet(InternetAddress(v4: 0xC000_0200 + host, port: 5)),
            listener: listener,
            cause: cause
        )
    }

    @Test("the first denial of a cause is logged immediately, further ones as a sum after a minute")
    func sums() {
        var limiter = DenialLogLimiter()
        let start = ContinuousClock.now
        let first = limiter.lines([denial(.rate)], counts: [snapshot([.rate: 1])], at: start)
        #expect(
            first.map(\.description) == ["Denied 1 connection to listener front: rate, the last one from 192.0.2.1:5"]
        )
        let soon = start + .seconds(59)
        #expect(limiter.lines([denial(.rate, from: 2)], counts: [snapshot([.rate: 500])], at: soon) == [])
        let other = limiter.lines([denial(.address)], counts: [snapshot([.rate: 500, .address: 3])], at: soon)
        #expect(other.map(\.cause) == [.address])
        #expect(other.map(\.count) == [3])
        let later = limiter.lines(
            [denial(.rate, from: 3), denial(.rate, from: 4)],
            counts: [snapshot([.rate: 1000, .address: 3])],
            at: start + .seconds(60)
        )
        #expect(later == [.init(listener: "front", cause: .rate, count: 999, client: "192.0.2.4:5")])
    }

    @Test("connections beyond a limit that is only counted are logged as such")
    func dryRun() {
        var limiter = DenialLogLimiter()
        var denial = denial(.rate)
        denial.isDryRun = true
        let lines = limiter.lines([denial], counts: [snapshot([:])], at: .now)
        #expect(
            lines.map(\.description) == [
                "Would have denied 7 connections to listener front: rate, the last one from 192.0.2.1:5"
            ]
        )
    }

    @Test("listeners are counted separately, and removed ones are forgotten")
    func listeners() {
        var limiter = DenialLogLimiter()
        let start = ContinuousClock.now
        let both = [snapshot([.rate: 1], name: "a"), snapshot([.rate: 2], name: "b")]
        let denials = [denial(.rate, listener: "a"), denial(.rate, listener: "b"), denial(.rate, listener: "gone")]
        #expect(limiter.lines(denials, counts: both, at: start).map(\.listener) == ["a", "b"])
        #expect(limiter.lines(denials, counts: [both[0]], at: start + .seconds(1)) == [])
        #expect(limiter.lines(denials, counts: both, at: start + .seconds(2)).map(\.listener) == ["b"])
    }
}
