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
        return ServerHealthState(
            settings,
            seen: .none,
            isAtStart: true
        )
    }

    @Test("without checks and failures, a server is unchecked and has its full weight")
    func fresh() {
        var server = healthState()
        server.advance(to: 0, .failed(0, connected: 10), mayEject: true)
        #expect(server.state == .unchecked)
        #expect(server.cause.isEmpty)
        #expect(server.weight(configured: 3, at: 0) == EffectiveWeight.of(3))
    }

    @Test("a server is at rest unless it is ejected or its weight grows")
    func rest() {
        var server = healthState { $0.slowStart = .seconds(10) }
        let good = ServerHealthState.Attempts.failed(0, connected: 7)
        server.advance(to: 0, good, mayEject: true)
        #expect(server.isAtRest(at: 0))
        let bad = ServerHealthState.Attempts.failed(5, connected: 7)
        server.advance(to: Self.second, bad, mayEject: true)
        #expect(server.state == .ejected)
        #expect(!server.isAtRest(at: Self.second))
        server.adminState = .draining
        server.advance(to: 12 * Self.second, bad, mayEject: true)
        #expect(server.isAtRest(at: 12 * Self.second))
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
        server.advance(to: 0, .failed(4, connected: 7), mayEject: true)
        #expect(server.state == .unchecked)
        server.advance(to: Self.second, .failed(5, connected: 7), mayEject: true)
        #expect(server.state == .ejected)
        #expect(server.cause == "5 consecutive connection attempts failed")
        server.advance(to: 10 * Self.second, .failed(5, connected: 7), mayEject: true)
        #expect(server.state == .ejected)
        server.advance(to: 11 * Self.second, .failed(5, connected: 7), mayEject: true)
        #expect(server.state == .unchecked)
        #expect(server.cause == "ejection ended")
        server.advance(to: 12 * Self.second, .failed(10, connected: 7), mayEject: true)
        #expect(server.state == .ejected)
        server.advance(to: 31 * Self.second, .failed(10, connected: 7), mayEject: true)
        #expect(server.state == .ejected)
        server.advance(to: 32 * Self.second, .failed(10, connected: 7), mayEject: true)
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
        server.advance(to: 0, .failed(9), mayEject: false)
        #expect(server.state == .unchecked)
        server.advance(to: 1, .failed(18), mayEject: true)
        #expect(server.state == .ejected)
    }

    @Test("with ejection disabled, failures do not eject a server")
    func noEjection() {
        var server = healthState { $0.ejection = nil }
        server.advance(to: 0, .failed(900), mayEject: true)
        #expect(server.state == .unchecked)
    }

    @Test("a recovered server ramps up to its weight; a new server starts with it")
    func slowStart() {
        var server = healthState { settings in
            settings.check = HealthCheck(.tcp)
            settings.slowStart = .seconds(10)
        }
        server.advance(to: 0, .none, mayEject: true)
        #expect(server.weight(configured: 1, at: 0) == EffectiveWeight.of(1))
        server.recordCheckResult(.down, cause: "")
        server.noteAvailability(configured: 1, at: Self.second)
        server.recordCheckResult(.up, cause: "")
        server.noteAvailability(configured: 1, at: 2 * Self.second)
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

@Suite("Server health state: ejection and checks together")
struct ServerHealthStateRecoveryTests {
    private static let second = 1_000_000_000

    private func ejected(_ check: HealthCheck?) -> ServerHealthState {
        var settings = PoolSettings()
        settings.check = check
        var server = ServerHealthState(
            settings,
            seen: .none,
            isAtStart: true
        )
        server.advance(to: 0, .failed(5), mayEject: true)
        return server
    }

    @Test("passed checks end an ejection once there are as many as rise, counted from the ejection on")
    func passesEndEjection() {
        var server = ejected(HealthCheck(.tcp, rise: 2))
        #expect(server.state == .ejected)
        server.recordCheckResult(.up, passed: true, cause: "the check passed", at: 1)
        #expect(server.state == .ejected)
        server.recordCheckResult(.up, passed: false, cause: "the check failed", at: 2)
        server.recordCheckResult(.up, passed: true, cause: "the check passed", at: 3)
        #expect(server.state == .ejected)
        server.recordCheckResult(.up, passed: true, cause: "2 consecutive checks passed", at: 4)
        #expect(server.state == .up)
        #expect(server.cause == "2 consecutive checks passed")
    }

    @Test("an ejected server that goes down and comes up again is up")
    func recovery() {
        var server = ejected(HealthCheck(.tcp, rise: 3))
        server.recordCheckResult(.down, passed: false, cause: "3 consecutive checks failed", at: 1)
        #expect(server.state == .down)
        server.recordCheckResult(.up, passed: true, cause: "3 consecutive checks passed", at: 2)
        #expect(server.state == .up)
    }

    @Test("failed connections to a server that is down do not eject it, and do not count after it is up")
    func failuresWhileDown() {
        var settings = PoolSettings()
        settings.check = HealthCheck(.tcp)
        var server = ServerHealthState(settings, seen: .none, isAtStart: true)
        server.recordCheckResult(.down, passed: false, cause: "", at: 0)
        server.advance(to: 1, .failed(4), mayEject: true)
        #expect(!server.isEjected)
        server.recordCheckResult(.up, passed: true, cause: "", at: 2)
        server.advance(to: 3, .failed(8), mayEject: true)
        #expect(server.state == .up)
        server.advance(to: 4, .failed(9), mayEject: true)
        #expect(server.state == .ejected)
    }

    @Test("a server that is down has the cause of its last failed check")
    func currentCause() {
        var settings = PoolSettings()
        settings.check = HealthCheck(.tcp, rise: 2, initially: .down)
        var server = ServerHealthState(settings, seen: .none, isAtStart: true)
        server.recordCheckResult(.down, passed: true, cause: "the check passed", at: 0)
        #expect(server.cause == "the check passed, 2 in a row are needed")
        server.recordCheckResult(.down, passed: false, cause: "the check failed: connection refused", at: 1)
        #expect(server.cause == "the check failed: connection refused")
        server.recordCheckResult(.down, passed: false, cause: "2 consecutive checks failed, the last: HTTP 503", at: 2)
        #expect(server.cause == "2 consecutive checks failed, the last: HTTP 503")
        server.recordCheckResult(.down, passed: true, cause: "the check passed", at: 3)
        #expect(server.cause == "2 consecutive checks failed, the last: HTTP 503")
    }
}

@Suite("Slow start")
struct SlowStartTests {
    private static let second = 1_000_000_000

    private func server(isAtStart: Bool, _ check: HealthCheck? = nil) -> ServerHealthState {
        var settings = PoolSettings()
        settings.slowStart = .seconds(10)
        settings.check = check
        return ServerHealthState(settings, seen: .none, isAtStart: isAtStart)
    }

    private let least = EffectiveWeight.of(1, factor: 0.1)
    private let full = EffectiveWeight.of(1)

    @Test("a server that the process starts with has its full weight immediately, any other grows to it")
    func added() {
        #expect(server(isAtStart: true).weight(configured: 1, at: 0) == full)
        var added = server(isAtStart: false)
        #expect(added.weight(configured: 1, at: 0) == least)
        added.noteAvailability(configured: 1, at: 0)
        #expect(added.weight(configured: 1, at: 5 * Self.second) == EffectiveWeight.of(1, factor: 0.5))
        #expect(added.weight(configured: 1, at: 10 * Self.second) == full)
    }

    /// Each way makes the server unavailable, and then available again.
    @Test("every way in which a server becomes available starts slow start")
    func everyWay() {
        let ways: [(leave: (inout ServerHealthState) -> Void, back: (inout ServerHealthState) -> Void)] = [
            ({ $0.adminState = .draining }, { $0.adminState = .enabled }),
            ({ $0.adminState = .disabled }, { $0.adminState = .enabled }),
            ({ $0.weightOverride = 0 }, { $0.weightOverride = nil }),
            (
                { $0.recordCheckResult(.down, passed: false, cause: "", at: 0) },
                { $0.recordCheckResult(.up, passed: true, cause: "", at: 0) }
            ),
            (
                { $0.advance(to: 0, .failed(9), mayEject: true) },
                {
                    $0.advance(
                        to: 10 * Self.second,
                        .failed(9),
                        mayEject: true
                    )
                }
            ),
            ({ $0.resolutionFailure = "the name does not exist" }, { $0.resolutionFailure = nil }),
        ]
        for way in ways {
            var server = server(isAtStart: true, HealthCheck(.tcp))
            way.leave(&server)
            server.noteAvailability(configured: 1, at: 0)
            way.back(&server)
            server.noteAvailability(configured: 1, at: 10 * Self.second)
            #expect(server.weight(configured: 1, at: 10 * Self.second) == least)
            #expect(server.weight(configured: 1, at: 20 * Self.second) == full)
        }
    }

    @Test("a server whose configured weight becomes more than 0 starts slowly")
    func weight() {
        var server = server(isAtStart: true)
        server.noteAvailability(configured: 0, at: 0)
        server.noteAvailability(configured: 1, at: Self.second)
        #expect(server.weight(configured: 1, at: Self.second) == least)
    }
}

extension ServerHealthState {
    /// Records a result that determines the state.
    fileprivate mutating func recordCheckResult(_ state: HealthCounter.State, cause: String) {
        recordCheckResult(state, passed: state == .up, cause: cause, at: 0)
    }
}

@Suite("Server health state after a settings change")
struct ServerHealthStateChangeTests {
    private func settings(_ configure: (inout PoolSettings) -> Void) -> PoolSettings {
        var settings = PoolSettings()
        configure(&settings)
        return settings
    }

    @Test("a changed check continues from the known state")
    func otherCheck() {
        let before = settings { $0.check = HealthCheck(.tcp) }
        let after = settings { $0.check = HealthCheck(.redis, initially: .up) }
        var server = ServerHealthState(before, seen: .none, isAtStart: true)
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
        var server = ServerHealthState(free, seen: .none, isAtStart: true)
        server.adopt(checked, after: free)
        #expect(server.state == .down)
        server.adopt(free, after: checked)
        #expect(server.state == .unchecked)
    }

    @Test("an ejection persists until it expires or ejection is disabled")
    func ejection() {
        let before = settings { _ in }
        let after = settings { $0.ejection?.baseTime = .seconds(60) }
        var server = ServerHealthState(before, seen: .none, isAtStart: true)
        server.advance(to: 0, .failed(5), mayEject: true)
        #expect(server.state == .ejected)
        server.adopt(after, after: before)
        #expect(server.state == .ejected)
        server.adopt(settings { $0.ejection = nil }, after: after)
        #expect(server.state == .unchecked)
    }
}

extension ServerHealthState.Attempts {
    fileprivate static let none = failed(0)

    /// Attempts whose failures have not been followed by a success.
    fileprivate static func failed(_ count: Int, connected: Int = 0) -> Self {
        Self(connected: connected, failed: count, consecutiveFailures: count)
    }
}
