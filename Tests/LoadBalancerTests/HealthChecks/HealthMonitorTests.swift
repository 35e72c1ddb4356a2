import Balancing
@testable import LoadBalancer
import Sockets
import Support
import Synchronization
import Testing

/// The monitor on a manual clock, with check results given by the test.
@Suite("Health monitor")
struct HealthMonitorTests {
    @Test("a server is marked down and up by its counts")
    func riseAndFall() async throws {
        let world = World()
        let settings = HealthCheck(interval: .seconds(2), jitter: 0, rise: 2, fall: 3, initially: .up)
        try await world.running {
            world.monitor.watch(1, at: endpoint(1), by: settings)
            for (index, passes) in [true, false, false, true, false, false, false, true, true].enumerated() {
                world.results.withLock { $0[endpoint(1)] = passes }
                if index > 0 { world.clock.advance(by: settings.interval) }
                try await world.settles(reports: index + 1, sleepers: 1)
            }
        }
        #expect(world.reports.map(\.state) == [.up, .up, .up, .up, .up, .up, .down, .down, .up])
        #expect(world.reports.map(\.isChange) == [false, false, false, false, false, false, true, false, true])
        #expect(world.reports[6].cause == "3 consecutive checks failed, the last: connection refused")
        #expect(world.reports[8].cause == "2 consecutive checks passed")
    }

    @Test("the first result decides an unknown state", arguments: [HealthCounter.State.unknown, .up, .down])
    func initialState(initially: HealthCounter.State) async throws {
        let world = World()
        try await world.running {
            world.results.withLock { $0[endpoint(1)] = initially == .up ? false : true }
            world.monitor.watch(1, at: endpoint(1), by: HealthCheck(initially: initially))
            try await world.settles(reports: 1, sleepers: 1)
        }
        #expect(world.reports[0].state == (initially == .unknown ? .up : initially))
        #expect(world.reports[0].isChange == (initially == .unknown))
    }

    @Test("intervals have their jitter, which the seed determines")
    func jitter() async throws {
        func deadlines(seed: UInt64) async throws -> [[Duration]] {
            let world = World(seed: seed)
            var all: [[Duration]] = []
            try await world.running {
                for server in 0..<4 {
                    world.monitor.watch(
                        server,
                        at: endpoint(server),
                        by: HealthCheck(interval: .seconds(10), jitter: 0.2)
                    )
                }
                for round in 1...5 {
                    try await world.settles(reports: 4 * round, sleepers: 4)
                    all.append(world.clock.deadlines.map { $0 - world.clock.now.offset })
                    world.clock.advance(by: .seconds(12))
                }
            }
            return all
        }
        let first = try await deadlines(seed: 7)
        // The second check is at a random time within the interval, the others within a fifth of it.
        #expect(first[0].allSatisfy { (.zero ... .seconds(10)).contains($0) })
        #expect(first.dropFirst().joined().allSatisfy { (.seconds(8) ... .seconds(12)).contains($0) })
        #expect(Set(first.joined()).count == 20)
        #expect(try await deadlines(seed: 7) == first)
        #expect(try await deadlines(seed: 8) != first)
    }

    @Test("checks of a server do not overlap")
    func overlap() async throws {
        let world = World()
        try await world.running {
            world.hold.withLock { $0 = true }
            world.monitor.watch(1, at: endpoint(1), by: HealthCheck(interval: .seconds(2), jitter: 0))
            try await eventually("start of the check") { world.held == 1 }
            for _ in 0..<10 { world.clock.advance(by: .seconds(2)) }
            #expect(world.running(at: endpoint(1)) == 1)
            // It took ten intervals, so the next one begins as soon as allowed.
            world.letGo()
            try await world.settles(reports: 1, sleepers: 1)
            #expect(world.clock.deadlines == [.seconds(20) + HealthCheck.minInterval])
        }
        #expect(world.maxAtOnce == 1)
    }

    @Test("the number of concurrent checks is limited")
    func checkLimit() async throws {
        let world = World(checkLimit: 3)
        try await world.running {
            world.hold.withLock { $0 = true }
            for server in 0..<20 { world.monitor.watch(server, at: endpoint(server), by: HealthCheck()) }
            try await eventually("start of three checks") { world.held == 3 }
            world.letGo()
            try await world.settles(reports: 20, sleepers: 20)
        }
        #expect(world.maxAtOnce == 3)
        #expect(Set(world.reports.map(\.server)) == Set(0..<20))
    }

    @Test("a server that is no longer watched is not checked")
    func forget() async throws {
        let world = World()
        try await world.running {
            world.monitor.watch(1, at: endpoint(1), by: HealthCheck(interval: .seconds(1), jitter: 0))
            world.monitor.watch(2, at: endpoint(2), by: HealthCheck(interval: .seconds(1), jitter: 0))
            try await world.settles(reports: 2, sleepers: 2)
            world.monitor.forget(1)
            world.monitor.forget(99)
            try await eventually("end of its sleep") { world.clock.deadlines.count == 1 }
            world.clock.advance(by: .seconds(1))
            try await world.settles(reports: 3, sleepers: 1)
        }
        #expect(world.reports.last?.server == 2)
    }

    @Test("a running check of a server that is no longer watched is cancelled")
    func cancellation() async throws {
        let world = World()
        try await world.running {
            world.hold.withLock { $0 = true }
            world.monitor.watch(1, at: endpoint(1), by: HealthCheck())
            try await eventually("start of the check") { world.held == 1 }
            world.monitor.forget(1)
            try await eventually("end of the check") { world.held == 0 }
        }
        #expect(world.reports.isEmpty)
    }

    @Test("a server that is watched again starts with a new state")
    func rewatch() async throws {
        let world = World()
        try await world.running {
            world.results.withLock { $0[endpoint(1)] = false }
            world.monitor.watch(1, at: endpoint(1), by: HealthCheck(interval: .seconds(1), jitter: 0, fall: 1))
            try await world.settles(reports: 1, sleepers: 1)
            world.monitor.watch(1, at: endpoint(2), by: HealthCheck(port: 99, interval: .seconds(1), jitter: 0))
            try await world.settles(reports: 2, sleepers: 1)
        }
        #expect(world.reports.map(\.state) == [.down, .up])
        // The check has its own port.
        guard case .internet(let checked) = world.checked.last else {
            Issue.record("no server was checked")
            return
        }
        #expect(checked.port == 99)
    }
}

private func endpoint(_ number: Int) -> SocketAddress {
    .internet(InternetAddress(v4: 0x7F00_0001, port: UInt16(1_000 + number)))
}

/// A monitor with its dependencies.
private final class World: Sendable {
    private struct Checks {
        var running: [SocketAddress: Int] = [:]
        var maxAtOnce = 0
        var checked: [SocketAddress] = []
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextKey = 0
    }

    let clock = ManualClock()
    /// Results of the checks by address; true by default.
    let results = Mutex<[SocketAddress: Bool]>([:])
    /// Whether checks wait until they are released.
    let hold = Mutex(false)
    private let checks = Mutex(Checks())
    private let recordCheckResult = Mutex<[HealthReport<Int>]>([])
    private let box = Mutex<HealthMonitor<Int>?>(nil)

    init(checkLimit: Int = 64, seed: UInt64 = 1) {
        let monitor = HealthMonitor<Int>(
            checkLimit: checkLimit,
            clock: clock,
            seed: seed,
            probe: { [unowned self] _, address, _, _, _ in await check(address) },
            report: { [unowned self] report in recordCheckResult.withLock { $0.append(report) } }
        )
        box.withLock { $0 = monitor }
    }

    var monitor: HealthMonitor<Int> { box.withLock { $0 }! }
    var reports: [HealthReport<Int>] { recordCheckResult.withLock { $0 } }
    var maxAtOnce: Int { checks.withLock { $0.maxAtOnce } }
    var checked: [SocketAddress] { checks.withLock { $0.checked } }
    var held: Int { checks.withLock { $0.waiting.count } }

    func running(at address: SocketAddress) -> Int { checks.withLock { $0.running[address] ?? 0 } }

    /// Runs the monitor for the duration of `body`.
    func running(_ body: () async throws -> Void) async throws {
        let monitor = monitor
        let task = Task { await monitor.run() }
        do {
            try await body()
        } catch {
            task.cancel()
            await task.value
            throw error
        }
        task.cancel()
        await task.value
        #expect(clock.deadlines.isEmpty)
    }

    func settles(reports count: Int, sleepers: Int) async throws {
        try await eventually("\(count) reports and \(sleepers) sleepers") {
            reports.count == count && clock.deadlines.count == sleepers
        }
    }

    func letGo() {
        hold.withLock { $0 = false }
        let waiting = checks.withLock { checks in
            defer { checks.waiting = [:] }
            return checks.waiting.values
        }
        for continuation in waiting { continuation.resume() }
    }

    private func check(_ address: SocketAddress) async -> Result<Duration, HealthCheckFailure> {
        let key = checks.withLock { checks in
            checks.running[address, default: 0] += 1
            checks.maxAtOnce = max(checks.maxAtOnce, checks.running.values.reduce(0, +))
            checks.checked.append(address)
            checks.nextKey += 1
            return checks.nextKey
        }
        defer { checks.withLock { $0.running[address, default: 0] -= 1 } }
        if hold.withLock({ $0 }) {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isOver = checks.withLock { checks in
                        if Task.isCancelled { return true }
                        checks.waiting[key] = continuation
                        return false
                    }
                    if isOver { continuation.resume() }
                }
            } onCancel: {
                checks.withLock { $0.waiting.removeValue(forKey: key) }?.resume()
            }
        }
        let passes = results.withLock { $0[address] ?? true }
        return passes ? .success(.milliseconds(1)) : .failure(.notConnected(.connectionRefused))
    }
}
