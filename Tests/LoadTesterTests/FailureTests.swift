import FakeSystem
import Histogram
import Randomness
import Sockets
import Testing

@testable import LoadTester

/// Failures of connections are counted by cause, and never cause a hang.
@Suite("Failures of the target")
struct FailureTests {
    /// A target that responds to each request after a millisecond, unless the closure overrides it.
    struct FaultyTarget: FakeTarget {
        var connects: (Int, Instant) -> FakeServer.Answer = { _, _ in .accept() }
        var fault: (_ request: Int, _ connection: Int, _ bytes: [UInt8], _ now: Instant) -> [TargetEvent]?
        var requests = 0

        mutating func answer(attempt number: Int, at now: Instant) -> FakeServer.Answer { connects(number, now) }

        mutating func receive(_ bytes: [UInt8], on number: Int, at now: Instant) -> [TargetEvent] {
            defer { requests += 1 }
            return fault(requests, number, bytes, now) ?? [TargetEvent(at: now + .milliseconds(1), .send(bytes))]
        }
    }

    private func openLoop(
        _ target: FaultyTarget,
        connections: Int = 8,
        duration: Duration = .seconds(1),
        seed: UInt64 = 0,
        prepare: (inout GeneratorPlan, FakeWorld) -> Void = { _, _ in }
    ) throws -> GeneratorRun {
        let run = try run(
            target,
            workload: EchoWorkload(.generated(count: 64), thread: 0),
            connections: connections,
            duration: duration,
            seed: seed
        ) { configuration, world in
            configuration.schedule = Schedule(.constant(1000), arrivals: .constant)
            prepare(&configuration, world)
        }
        let counts = run.counts
        #expect(counts.due == counts.answered + counts.failed + counts.unanswered + counts.unsent + counts.overflowed)
        #expect(run.world.openDescriptors == [])
        return run
    }

    private func closing(_ what: TargetEvent.Action) -> FaultyTarget {
        FaultyTarget { request, _, _, now in
            request % 10 == 9 ? [TargetEvent(at: now + .milliseconds(1), what)] : nil
        }
    }

    @Test("A reset during every tenth request counts as a reset, and the connection is replaced")
    func resets() throws {
        let run = try openLoop(closing(.reset))
        #expect(run.counts.failures[.reset] == 100)
        #expect(run.counts.failures.total == 100)
        #expect(run.counts.failed == 100)
        #expect(run.counts.answered == 900)
        #expect(run.counts.connected >= 100)
    }

    @Test("A socket that connects to itself counts as refused, and the connection is replaced")
    func selfConnects() throws {
        let target = FaultyTarget(connects: { number, _ in number < 3 ? .itself : .accept() }) { _, _, _, _ in nil }
        let run = try openLoop(target)
        #expect(run.counts.failures[.refused] == 3)
        #expect(run.counts.failures.total == 3)
        #expect(run.counts.answered == 1000)
    }

    @Test("A stream that ends before the response counts as closed early")
    func endings() throws {
        let run = try openLoop(closing(.finish))
        #expect(run.counts.failures[.closedEarly] == 100)
        #expect(run.counts.failures.total == 100)
    }

    @Test("A wrong response counts as a mismatch", arguments: [0, 7, 8, 63])
    func mismatches(wrongByte: Int) throws {
        let run = try openLoop(
            FaultyTarget { request, _, bytes, now in
                guard request % 10 == 9 else { return nil }
                var wrong = bytes
                wrong[wrongByte] ^= 1
                return [TargetEvent(at: now + .milliseconds(1), .send(wrong))]
            }
        )
        #expect(run.counts.failures[.mismatch] == 100)
        #expect(run.counts.failures.total == 100)
    }

    @Test("A response to another request, or one that is too long, counts as a mismatch")
    func swapped() throws {
        let swapped = try openLoop(
            FaultyTarget { request, _, bytes, now in
                guard request == 5 else { return nil }
                // The response to request 4.
                var other = bytes
                other[0] = 4
                return [TargetEvent(at: now + .milliseconds(1), .send(other))]
            }
        )
        #expect(swapped.counts.failures[.mismatch] == 1)
        let long = try openLoop(
            FaultyTarget { request, _, bytes, now in
                request == 5 ? [TargetEvent(at: now + .milliseconds(1), .send(bytes + [0]))] : nil
            }
        )
        #expect(long.counts.failures[.mismatch] == 1)
    }

    @Test("A missing response times out, and its waiting time counts as latency")
    func timeouts() throws {
        let run = try openLoop(FaultyTarget { request, _, _, _ in request % 100 == 99 ? [] : nil }) {
            configuration,
            _ in
            configuration.timeout = .milliseconds(80)
        }
        #expect(run.counts.failures[.timeout] == 10)
        #expect(run.counts.failed == 10)
        #expect(run.latency.count == 1000)
        // Not before the deadline, and not after the next poll.
        #expect(run.latency.max >= 0.08 && run.latency.max <= 0.0901)
    }

    @Test("Requests without a response at the end count as unanswered, and the run ends")
    func unanswered() throws {
        let run = try openLoop(FaultyTarget { _, _, _, _ in [] }) { configuration, _ in
            configuration.timeout = .seconds(60)
            configuration.drain = .milliseconds(250)
        }
        #expect(run.counts.unanswered == 8)
        #expect(run.counts.unsent == 992)
        #expect(run.counts.failures[.unanswered] == 8)
        #expect(run.latency.count == 1000)
        #expect(abs(run.latency.max - 1.25) < 0.002)
        #expect(run.world.clock == run.start + .milliseconds(1250))
    }

    @Test("Refused connections are counted, and the others serve")
    func refusals() throws {
        let target = FaultyTarget(
            connects: { number, _ in
                number % 2 == 0 ? .accept() : .fail(.connectionRefused, after: .milliseconds(1))
            },
            fault: { _, _, _, _ in nil }
        )
        let run = try openLoop(target)
        #expect(run.counts.failures[.refused] >= 4)
        #expect(run.counts.failures.total == run.counts.failures[.refused])
        #expect(run.counts.answered == 1000)
    }

    @Test("A dead target is retried with increasing delays")
    func death() throws {
        let death = Instant(nanoseconds: .milliseconds(2500))
        let target = FaultyTarget(
            connects: { _, now in
                now < death ? .accept() : .fail(.connectionRefused)
            },
            fault: { _, _, _, now in now < death ? nil : [TargetEvent(at: now, .reset)] }
        )
        let run = try openLoop(target, duration: .seconds(10)) { configuration, _ in configuration.drain = .zero }
        #expect(run.counts.answered == 500)
        #expect(run.counts.failures[.reset] == 8)
        // Retries after 10, 20, 40 ... ms, up to one second: the number of attempts in 9.5 s is bounded, whatever the
        // rate. Each attempt is for all eight connections.
        let refused = run.counts.failures[.refused]
        #expect((8 * 12...8 * 17).contains(refused))
        #expect(run.counts.unsent == 10_000 - 500 - 8)
    }

    @Test("A lack of descriptors or ports counts as exhausted")
    func exhaustion() throws {
        let target = FaultyTarget(
            connects: { number, _ in
                number < 4 ? .accept() : .failAtOnce(SystemError(code: number % 2 == 0 ? 24 : 99))
            },
            fault: { _, _, _, _ in nil }
        )
        let run = try openLoop(target)
        #expect(run.counts.failures[.exhausted] > 0)
        #expect(run.counts.failures.total == run.counts.failures[.exhausted])
        #expect(run.counts.answered == 1000)
    }

    @Test("A connect without an answer times out, and the opening phase ends")
    func silence() throws {
        let run = try openLoop(
            FaultyTarget(connects: { _, _ in .silence }, fault: { _, _, _, _ in nil }),
            prepare: { configuration, _ in configuration.connectTimeout = .milliseconds(500) }
        )
        #expect(run.counts.failures[.timeout] >= 8)
        #expect(run.counts.answered == 0)
        #expect(run.counts.unsent == 1000)
    }

    @Test("A full queue drops due requests and counts them")
    func overflow() throws {
        let run = try openLoop(FaultyTarget { _, _, _, now in [] }, connections: 1) { configuration, _ in
            configuration.queueLimit = 100
            configuration.drain = .zero
        }
        #expect(run.counts.due == 1000)
        #expect(run.counts.unanswered == 1)
        #expect(run.counts.unsent == 100)
        #expect(run.counts.overflowed == 899)
        #expect(run.result.maxQueueLength == 100)
    }

    @Test("A target that closes each connection after its response causes no error")
    func oneRequestAConnection() throws {
        let run = try openLoop(
            FaultyTarget { _, _, bytes, now in
                [
                    TargetEvent(at: now + .milliseconds(1), .send(bytes)),
                    TargetEvent(at: now + .milliseconds(1), .finish),
                ]
            }
        )
        #expect(run.counts.answered == 1000)
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.closedIdle == 1000)
        #expect(run.counts.connected >= 1000)
    }

    @Test("Short writes and fragmented responses cause no error", arguments: [1, 2, 3])
    func pieces(seed: UInt64) throws {
        let run = try openLoop(
            FaultyTarget(fault: { _, _, _, _ in nil }),
            connections: 64,
            seed: seed,
            prepare: { _, world in
                world.faults.largestTransfer = 70
                world.faults.shortTransfers = 0.9
            }
        )
        #expect(run.counts.answered == 1000)
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.bytesSent == 64_000)
        #expect(run.counts.bytesReceived == 64_000)
    }
}
