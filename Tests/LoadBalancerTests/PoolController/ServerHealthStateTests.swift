import Balancing
import TCPProxy
import Testing

@testable import LoadBalancer

@Suite("Server health state")
struct ServerHealthStateTests {
    private static let second = 1_000_000_000

    private func healthState(_ configure: (inout PoolSettings) -> Void = { _ in }) -> ServerHealthState {
        var settings = PoolSettings()
        configure(&settings)
        return ServerHealthState(settings, seen: .init(connected: 0, failed: 0, consecutiveFailures: 0))
    }

    @Test("without checks and failures, a server is unchecked and has its full weight")
    func fresh() {
        var server = healthState()
        server.advance(to: 0, .init(connected: 10, failed: 0, consecutiveFailures: 0), mayEject: true)
        #expect(server.state == .unchecked)
        #expect(server.cause.isEmpty)
        #expect(server.weight(configured: 3, at: 0) == EffectiveWeight.of(3))
    }

    @Test("health checks determine whether a server is up")
    func checks() {
        var server = healthState { $0.check = HealthCheck(.tcp) }
        #expect(server.state == .unchecked)
        server.recordCheckResult(.down, cause: "3 consecutive checks failed")
        #expect(server.state == .down)
        #expect(server.cause == "3 consecutive checks failed")
        server.recordCheckResult(.up, cause: "2 consecutive checks passed")
        #expect(server.state == .up)
        #expect(server.cause == "2 consecutive checks passed")
    }

    @Test("a server configured as initially down is down until its first check")
    func initiallyDown() {
        let server = healthState { $0.check = HealthCheck(.tcp, initially: .down) }
        #expect(server.state == .down)
        #expect(server.cause == "not checked yet")
    }

    @Test("five consecutive failures eject a server for ten seconds, then for twenty")
    func ejection() {
        var server = healthState()
        server.advance(to: 0, .init(connected: 7, failed: 4, consecutiveFailures: 4), mayEject: true)
        #expect(server.state == .unchecked)
        server.advance(to: Self.second, .init(connected: 7, failed: 5, consecutiveFailures: 5), mayEject: true)
        #expect(server.state == .ejected)
        #expect(server.cause == "5 consecutive connection attempts failed")
        server.advance(to: 10 * Self.second, .init(connected: 7, failed: 5, consecutiveFailures: 5), mayEject: true)
        #expect(server.state == .ejected)
        server.advance(to: 11 * Self.second, .init(connected: 7, failed: 5, consecutiveFailures: 5), mayEject: true)
        #expect(server.state == .unchecked)
        #expect(server.cause == "ejection ended")
        server.advance(to: 12 * Self.second, .init(connected: 7, failed: 10, consecutiveFailures: 10), mayEject: true)
        #expect(server.state == .ejected)
        server.advance(to: 31 * Self.second, .init(connected: 7, failed: 10, consecutiveFailures: 10), mayEject: true)
        #expect(server.state == .ejected)
        server.advance(to: 32 * Self.second, .init(connected: 7, failed: 10, consecutiveFailures: 10), mayEject: true)
        #expect(server.state == .unchecked)
    }

    @Test("a success resets the failure count")
    func success() {
        var server = healthState { $0.ejection?.failureRate = nil }
        for second in 1...20 {
            let attempts = ServerHealthState.Attempts(connected: second, failed: 4 * second, consecutiveFailures: 4)
            server.advance(to: second * Self.second, attempts, mayEject: true)
            #expect(server.state == .unchecked)
        }
    }

    @Test("a server is not ejected if the pool's ejection limit forbids it")
    func budget() {
        var server = healthState()
        server.advance(to: 0, .init(connected: 0, failed: 9, consecutiveFailures: 9), mayEject: false)
        #expect(server.state == .unchecked)
        server.advance(to: 1, .init(connected: 0, failed: 18, consecutiveFailures: 18), mayEject: true)
        #expect(server.state == .ejected)
    }

    @Test("with ejection disabled, failures do not eject a server")
    func noEjection() {
        var server = healthState { $0.ejection = nil }
        server.advance(to: 0, .init(connected: 0, failed: 900, consecutiveFailures: 900), mayEject: true)
        #expect(server.state == .unchecked)
    }

    @Test("a recovered server ramps up to its weight; a new server starts with it")
    func slowStart() {
        var server = healthState { settings in
            settings.check = HealthCheck(.tcp)
            settings.slowStart = .seconds(10)
        }
        let none = ServerHealthState.Attempts(connected: 0, failed: 0, consecutiveFailures: 0)
        server.advance(to: 0, none, mayEject: true)
        #expect(server.weight(configured: 1, at: 0) == EffectiveWeight.of(1))
        server.recordCheckResult(.down, cause: "")
        server.advance(to: Self.second, none, mayEject: true)
        server.recordCheckResult(.up, cause: "")
        server.advance(to: 2 * Self.second, none, mayEject: true)
        let weights = [2, 7, 12].map { server.weight(configured: 1, at: $0 * Self.second) }
        #expect(weights[0] == EffectiveWeight.of(1, factor: 0.1))
        #expect(weights[1] == EffectiveWeight.of(1, factor: 0.5))
        #expect(weights[2] == EffectiveWeight.of(1))
    }

    @Test("administrative state overrides health")
    func orders() {
        var server = healthState { $0.check = HealthCheck(.tcp) }
        server.recordCheckResult(.down, cause: "")
        server.adminState = .draining
        #expect(server.state == .draining)
        server.adminState = .disabled
        #expect(server.state == .disabled)
        server.adminState = .enabled
        #expect(server.state == .down)
        server.weightOverride = 5
        #expect(server.weight(configured: 1, at: 0) > 0)
    }
}

@Suite("Server health state after a settings change")
struct ServerHealthStateChangeTests {
    private func settings(_ configure: (inout PoolSettings) -> Void) -> PoolSettings {
        var settings = PoolSettings()
        configure(&settings)
        return settings
    }

    private let none = ServerHealthState.Attempts(connected: 0, failed: 0, consecutiveFailures: 0)

    @Test("a changed check continues from the known state")
    func otherCheck() {
        let before = settings { $0.check = HealthCheck(.tcp) }
        let after = settings { $0.check = HealthCheck(.redis, initially: .up) }
        var server = ServerHealthState(before, seen: none)
        #expect(server.continued(after.check!).initially == .up)
        server.recordCheckResult(.down, cause: "3 consecutive checks failed")
        server.adminState = .draining
        server.weightOverride = 7
        server.adopt(after, after: before)
        #expect(server.continued(after.check!).initially == .down)
        #expect(server.state == .draining)
        #expect(server.weightOverride == 7)
        server.adminState = .enabled
        #expect(server.state == .down)
    }

    @Test("without checks no server is down; a first check may start as down")
    func checksComeAndGo() {
        let checked = settings { $0.check = HealthCheck(.tcp, initially: .down) }
        let free = settings { _ in }
        var server = ServerHealthState(free, seen: none)
        server.adopt(checked, after: free)
        #expect(server.state == .down)
        server.adopt(free, after: checked)
        #expect(server.state == .unchecked)
    }

    @Test("an ejection persists until it expires or ejection is disabled")
    func ejection() {
        let before = settings { _ in }
        let after = settings { $0.ejection?.baseTime = .seconds(60) }
        var server = ServerHealthState(before, seen: none)
        server.advance(to: 0, .init(connected: 0, failed: 5, consecutiveFailures: 5), mayEject: true)
        #expect(server.state == .ejected)
        server.adopt(after, after: before)
        #expect(server.state == .ejected)
        server.adopt(settings { $0.ejection = nil }, after: after)
        #expect(server.state == .unchecked)
    }
}
