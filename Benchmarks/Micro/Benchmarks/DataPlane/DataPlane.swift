import Benchmark
import EventLoop
import Relay
import Sockets

/// As many connections as a busy worker has, so that its tables do not all fit into the first cache.
private let connections = 10_000

/// A timer wheel for all connections, without a timer that is set.
private func emptyWheel() -> TimerWheel {
    TimerWheel(capacity: connections, now: Instant(nanoseconds: 0))
}

/// What the data plane does for an event, without the system calls: the parts that are pure.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput],
        timeUnits: .nanoseconds,
        scalingFactor: .mega,
        maxDuration: .seconds(1)
    )
    pickBenchmarks()

    Benchmark("HalfState: forward a message") { benchmark in
        var state = RelayDirectionState()
        for _ in benchmark.scaledIterations {
            blackHole(state.next(canReceive: true, canSend: true))
            state.received(64)
            blackHole(state.next(canReceive: false, canSend: true))
            state.sent(64)
            blackHole(state.next(canReceive: false, canSend: true))
        }
        blackHole(state)
    }

    Benchmark("TimerWheel: reschedule, as traffic does to an idle timeout") { benchmark in
        var wheel = emptyWheel()
        for timer in 0..<connections { wheel.schedule(timer, at: Instant(nanoseconds: 60_000_000_000)) }
        benchmark.startMeasurement()
        for iteration in benchmark.scaledIterations {
            wheel.schedule(
                scattered(iteration),
                at: Instant(nanoseconds: 60_000_000_000 + UInt64(iteration) * 10_000)
            )
        }
        benchmark.stopMeasurement()
        blackHole(wheel.nextWake)
    }

    Benchmark("TimerWheel: set and cancel, as a connect does") { benchmark in
        var wheel = emptyWheel()
        benchmark.startMeasurement()
        for iteration in benchmark.scaledIterations {
            let timer = scattered(iteration)
            wheel.schedule(timer, at: Instant(nanoseconds: 5_000_000_000 + UInt64(iteration) * 10_000))
            wheel.cancel(timer)
        }
        benchmark.stopMeasurement()
        blackHole(wheel.nextWake)
    }

    Benchmark("TimerWheel: set, pass on and expire") { benchmark in
        var wheel = emptyWheel()
        benchmark.startMeasurement()
        for iteration in benchmark.scaledIterations {
            let now = Instant(nanoseconds: UInt64(iteration) * 100_000)
            wheel.schedule(iteration % connections, at: now + .milliseconds(500))
            wheel.advance(to: now)
            while let timer = wheel.nextExpired() { blackHole(timer) }
        }
        benchmark.stopMeasurement()
    }

    Benchmark("Slab: insert and remove, among \(connections)") { benchmark in
        var slab = Slab<Session>(capacity: connections + 1)
        var taken: [Int] = []
        for _ in 0..<connections { taken.append(slab.insert(Session())) }
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            let slot = slab.insert(Session())
            blackHole(slab.remove(slot))
        }
        benchmark.stopMeasurement()
        for slot in taken { blackHole(slab.remove(slot)) }
    }

    Benchmark("Slab: find by name, as each event does") { benchmark in
        var slab = Slab<Session>(capacity: connections)
        for _ in 0..<connections { blackHole(slab.insert(Session())) }
        benchmark.startMeasurement()
        for iteration in benchmark.scaledIterations {
            blackHole(slab.find(scattered(iteration), generation: 1))
        }
        benchmark.stopMeasurement()
        for slot in 0..<connections { blackHole(slab.remove(slot)) }
    }

    Benchmark("SlotQueue: join and leave") { benchmark in
        var queue = IndexedFIFO(capacity: connections)
        for slot in 0..<connections / 2 { queue.append(slot * 2) }
        benchmark.startMeasurement()
        for iteration in benchmark.scaledIterations {
            queue.append(scattered(iteration) | 1)
            blackHole(queue.popFirst())
        }
        benchmark.stopMeasurement()
    }
}

/// As big as what a worker keeps for a connection.
private struct Session {
    var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    var more: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
}

/// Events come from connections in no order; an odd multiplier visits all of them without drawing random numbers.
private func scattered(_ iteration: Int) -> Int {
    iteration &* 7_919 % connections
}
