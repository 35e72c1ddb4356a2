import FakeSystem
import Histogram
import Randomness
import Sockets
import Testing

@testable import LoadTester

/// The behavior of each mode on a scripted target.
@Suite("Modes")
struct ModeTests {
    private static let afterAMillisecond = DelayingTarget { $0 + .milliseconds(1) }

    private func echo(_ count: Int = 64) -> EchoWorkload {
        EchoWorkload(.generated(count: count), thread: 0)
    }

    @Test("An exchange costs one receive, one send and a share of a wait, and no registration")
    func calls() throws {
        let run = try run(Self.afterAMillisecond, workload: echo(), connections: 8, duration: .seconds(1))
        let atStart = try #require(run.result.atStart)
        let atEnd = try #require(run.result.atEnd)
        let window = atEnd - atStart
        #expect(window.completed == 8 * 1000)
        // Eight responses arrive simultaneously, so there is one wait per eight exchanges, and two for each sweep.
        let sweeps = 10
        #expect(window.calls <= 8 * 1000 * 2 + 1000 + 2 * sweeps + 2)
        #expect(run.calls.registrations == 8)
        #expect(run.world.connects == 8)
    }

    @Test(
        "Connect: each request connects, and its latency includes the connect",
        arguments: [LoadTest.ConnectionEnding.fin, .reset]
    )
    func connect(ending: LoadTest.ConnectionEnding) throws {
        struct Target: FakeTarget {
            mutating func answer(attempt number: Int, at now: Instant) -> FakeServer.Answer {
                .accept(after: .milliseconds(2))
            }
            mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
                [TargetEvent(at: now + .milliseconds(1), .send(bytes))]
            }
        }
        let run = try run(Target(), workload: echo(), connections: 4, duration: .seconds(1)) { configuration, _ in
            configuration.lifecycle = .perExchange(ending)
            configuration.schedule = Schedule(.constant(100), arrivals: .constant)
        }
        #expect(run.counts.answered == 100)
        #expect(run.world.connects == 100)
        #expect(run.calls.closes == (ending == .fin ? 100 : 0))
        #expect(run.calls.aborts == (ending == .reset ? 100 : 0))
        #expect(abs(run.latency.max - 0.003) < 1e-5)
        #expect(abs(run.latency.min - 0.003) < 1e-5)
        let connect = LoadTest.LatencySummary(run.result.sample.connect)
        #expect(connect.count == 100)
        #expect(abs(connect.p50 - 0.002) < 2e-6)
        #expect(run.world.openDescriptors == [])
    }

    @Test(
        "A connection without an immediate send is acknowledged, to avoid a delayed ACK of 200 ms",
        arguments: [(GeneratorPlan.Lifecycle.kept, 4), (.held, 4), (.perExchange(.fin), 0)]
    )
    func acknowledged(lifecycle: GeneratorPlan.Lifecycle, count: Int) throws {
        let run = try run(Self.afterAMillisecond, workload: echo(), connections: 4, duration: .seconds(1)) {
            configuration,
            _ in
            configuration.lifecycle = lifecycle
        }
        #expect(run.calls.acknowledgements == count)
    }

    @Test("Connect without a payload ends with the connection")
    func connectOnly() throws {
        let run = try run(Self.afterAMillisecond, workload: echo(0), connections: 4, duration: .seconds(1)) {
            configuration,
            _ in
            configuration.lifecycle = .perExchange(.fin)
            configuration.schedule = Schedule(.constant(100), arrivals: .constant)
        }
        #expect(run.counts.answered == 100)
        #expect(run.server.received == 0)
    }

    @Test("Connect in a closed loop uses all allowed connections, and pauses when connects fail")
    func connectFlatOut() throws {
        let run = try run(Self.afterAMillisecond, workload: echo(), connections: 4, duration: .seconds(1)) {
            configuration,
            _ in
            configuration.lifecycle = .perExchange(.fin)
        }
        #expect(run.counts.answered == 4 * 1000)
        struct Refusing: FakeTarget {
            mutating func answer(attempt number: Int, at now: Instant) -> FakeServer.Answer {
                .fail(.connectionRefused)
            }
        }
        let refused = try LoadTesterTests.run(Refusing(), workload: echo(), connections: 4, duration: .seconds(1)) {
            configuration,
            _ in configuration.lifecycle = .perExchange(.fin)
        }
        #expect((4 * 6...4 * 8).contains(refused.counts.failures[.refused]))
        #expect(refused.counts.failures[.refused] == refused.counts.failed)
    }

    @Test("Hold: connections are idle, lost ones are not replaced, and the others answer at the end")
    func hold() throws {
        struct Target: FakeTarget {
            mutating func answer(attempt number: Int, at now: Instant) -> FakeServer.Answer {
                number == 7 ? .fail(.connectionRefused) : .accept()
            }
            mutating func connected(_ number: Int, at now: Instant) -> [TargetEvent] {
                switch number {
                case 3: [TargetEvent(at: now + .seconds(2), .finish)]
                case 5: [TargetEvent(at: now + .seconds(3), .reset)]
                default: []
                }
            }
            mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
                number == 9 ? [] : [TargetEvent(at: now + .milliseconds(5), .send(bytes))]
            }
        }
        let run = try run(Target(), workload: echo(), connections: 100, duration: .seconds(10)) { configuration, _ in
            configuration.lifecycle = .held
            configuration.timeout = .seconds(1)
        }
        #expect(run.world.connects == 100)
        #expect(run.result.atEnd?.open == 97)
        #expect(run.counts.failures[.closedEarly] == 1)
        #expect(run.counts.failures[.reset] == 1)
        #expect(run.counts.failures[.refused] == 1)
        #expect(run.counts.answered == 96)
        #expect(run.counts.failures[.timeout] + run.counts.failures[.unanswered] == 1)
        #expect(abs(run.latency.p50 - 0.005) < 1e-5)
    }

    @Test("Hold: a dead target causes no hang, and each request is counted")
    func holdOnTheDead() throws {
        let run = try run(
            DelayingTarget { $0 + .seconds(1000) },
            workload: echo(),
            connections: 100,
            duration: .seconds(1)
        ) { configuration, _ in
            configuration.lifecycle = .held
            configuration.timeout = .seconds(1)
        }
        let counts = run.counts
        #expect(counts.due == 100)
        #expect(counts.due == counts.answered + counts.failed + counts.unanswered + counts.unsent)
        #expect(counts.answered == 0)
        #expect(run.world.clock <= run.start + .seconds(2) + .milliseconds(10))
        #expect(run.world.openDescriptors == [])
    }

    @Test("Bytes received before the request are processed")
    func greeting() throws {
        struct Target: FakeTarget {
            mutating func connected(_ number: Int, at now: Instant) -> [TargetEvent] {
                [TargetEvent(at: now, .send(Array("220 hello\r\n".utf8)))]
            }
            mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
                [TargetEvent(at: now + .microseconds(1), .send(Array("221\r\n220 hello\r\n".utf8)))]
            }
        }
        let script = try LoadTest.Script(parsing: "expect 220 ${any}\\r\\n\nsend QUIT\\r\\n\nexpect 221\\r\\n")
        let run = try run(
            Target(),
            workload: ScriptWorkload(script, thread: 0, of: 1, seed: 1),
            connections: 1,
            duration: .seconds(1)
        ) { configuration, _ in configuration.schedule = Schedule(.constant(1), arrivals: .constant) }
        // The greeting arrived before the first request; the extra bytes after the response were not requested.
        #expect(run.counts.failures[.mismatch] == 1)
        #expect(run.counts.failures.total == 1)
    }

    @Test("Both directions at the same time: all bytes sent return, followed by the peer's FIN", arguments: [1, 2])
    func both(seed: UInt64) throws {
        var bulk = LoadTest.Bulk(.both)
        bulk.verifies = true
        bulk.chunk = 10_000
        let run = try run(
            Self.afterAMillisecond,
            workload: StreamWorkload(bulk),
            connections: 2,
            duration: .milliseconds(20),
            seed: seed,
            callCost: .microseconds(5)
        ) { _, world in
            world.faults.largestTransfer = 15_000
            world.faults.shortTransfers = 0.9
        }
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.bytesSent > 1_000_000)
        #expect(run.counts.bytesReceived == run.counts.bytesSent)
        #expect(run.world.openDescriptors == [])
    }

    @Test("A download is verified against the pattern across chunk boundaries")
    func download() throws {
        struct Source: FakeTarget {
            var flips: Int?
            mutating func connected(_ number: Int, at now: Instant) -> [TargetEvent] {
                var bytes = (0..<200_000).map { BytePattern.byte(at: $0) }
                if let flips { bytes[flips] ^= 1 }
                return [TargetEvent(at: now + .milliseconds(1500), .send(bytes))]
            }
        }
        var bulk = LoadTest.Bulk(.download)
        bulk.verifies = true
        for (flips, mismatches) in [(nil, 0), (199_999, 2), (65_521, 2)] as [(Int?, Int)] {
            let run = try run(
                Source(flips: flips),
                workload: StreamWorkload(bulk),
                connections: 2,
                duration: .seconds(1)
            ) {
                configuration,
                world in
                configuration.bufferSize = 10_007
                world.faults.largestTransfer = 9000
                world.faults.shortTransfers = 0.9
            }
            // A connection that replaces one with a mismatch receives its bytes after the measured time.
            #expect(run.counts.failures[.mismatch] == mismatches)
            #expect(run.counts.failures.total == mismatches)
            if flips == nil { #expect(run.counts.bytesReceived == 400_000) }
        }
    }

    /// A target that responds to every hundred bytes with the first bytes of the pattern, or with others, after a
    /// millisecond.
    private struct Responder: FakeTarget {
        private var response: [UInt8]
        private var received: [Int: Int] = [:]

        init(size: Int, flipped: Int? = nil) {
            response = Array(repeating: 0, count: size)
            response.withUnsafeMutableBytes { BytePattern.fill($0) }
            if let flipped { response[flipped] ^= 1 }
        }

        mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
            received[number, default: 0] += bytes.count
            guard received[number]?.isMultiple(of: 100) == true else { return [] }
            // In chunks that arrive a microsecond apart.
            return stride(from: 0, to: response.count, by: 30_000).enumerated().map { number, start in
                let chunk = Array(response[start...].prefix(30_000))
                return TargetEvent(at: now + .microseconds(1000 + number), .send(chunk))
            }
        }
    }

    private func request(_ size: Int, verifies: Bool = true) -> RequestWorkload {
        var response = LoadTest.ExpectedResponse(size: size)
        response.verifies = verifies
        return RequestWorkload(.generated(count: 100), response)
    }

    @Test("A response may differ in size from its request; latency ends with its last byte", arguments: [1, 100_000])
    func responses(size: Int) throws {
        let run = try run(Responder(size: size), workload: request(size), connections: 4) { configuration, _ in
            configuration.schedule = Schedule(.constant(100), arrivals: .constant)
            configuration.bufferSize = 10_007
        }
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.answered == 100)
        #expect(run.counts.bytesSent == 100 * 100)
        #expect(run.counts.bytesReceived == 100 * size)
        // The latency is that of the last chunk.
        #expect(run.latency.min >= 0.001)
        if size > 1 { #expect(run.latency.min > 0.001_002) }
    }

    @Test("Responses are compared only on request, but a longer response is always a mismatch")
    func mismatches() throws {
        func mismatches(_ size: Int, flipped: Int? = nil, verifies: Bool = true) throws -> Int {
            let run = try run(Responder(size: size, flipped: flipped), workload: request(70_000, verifies: verifies)) {
                configuration,
                _ in configuration.schedule = Schedule(.constant(10), arrivals: .constant)
            }
            #expect(run.counts.failures.total == run.counts.failures[.mismatch])
            return run.counts.failures[.mismatch]
        }
        #expect(try mismatches(70_000) == 0)
        #expect(try mismatches(70_000, flipped: 69_999) == 10)
        #expect(try mismatches(70_000, flipped: 69_999, verifies: false) == 0)
        #expect(try mismatches(70_001, verifies: false) == 10)
    }

    @Test("A closed loop sends the next request as soon as the response arrives")
    func closedLoopOfRequests() throws {
        let run = try run(Responder(size: 5000), workload: request(5000), connections: 3)
        #expect(run.counts.answered == 3 * 1000)
        #expect(run.counts.failures.total == 0)
    }
}
