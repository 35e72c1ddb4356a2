import FakeSystem
import Randomness
import Sockets
import Support
import TLS
import Testing

@testable import LoadTester

/// TLS of the generator, against real TLS sessions in a fake world.
@Suite("Load over TLS", .needsTLS)
struct TLSTests {
    private let certificate: TLSCertificate

    init() throws {
        certificate = try TLSCertificate.selfSigned(name: "example.com", isAddress: false)
    }

    private func target(
        _ fault: TLSTarget.Fault? = nil,
        preamble: Int = 0,
        _ change: (inout TLSServerSettings) -> Void = { _ in }
    ) throws -> TLSTarget {
        var settings = TLSServerSettings(certificates: [certificate])
        change(&settings)
        return TLSTarget(try TLSContext(server: settings), fault: fault, preamble: preamble)
    }

    private func plan(
        _ version: TLSVersion = .v13,
        name: String = "example.com",
        resume: Int = 0
    ) throws -> TLSPlan {
        var settings = TLSClientSettings(verification: .authorities(certificate.chain))
        settings.parameters.minVersion = version
        settings.parameters.maxVersion = version
        // The fastest in a debug build.
        settings.parameters.groups = "X25519:P-256"
        return TLSPlan(context: try TLSContext(client: settings), serverName: name, resume: resume)
    }

    private func echo(_ count: Int = 64) -> EchoWorkload { EchoWorkload(.generated(count: count), thread: 0) }

    @Test("exchanges are counted as without TLS; the handshake is measured apart", arguments: TLSVersion.allCases)
    func exchanges(version: TLSVersion) throws {
        let plan = try plan(version)
        let run = try run(try target(), workload: echo(), connections: 4) { configuration, _ in
            configuration.tls = plan
            configuration.schedule = Schedule(.constant(100), arrivals: .constant)
        }
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.answered == 100)
        #expect(run.counts.bytesSent == 100 * 64)
        #expect(run.counts.bytesReceived == 100 * 64)
        #expect(run.counts.fullHandshakes == 4)
        #expect(run.counts.connected == 4)
        #expect(run.counts.truncated == 0)
        // The target needs a millisecond for each of its flights: one with TLS 1.3, two with TLS 1.2.
        let handshake = LoadTest.LatencySummary(run.result.sample.handshake)
        #expect(handshake.count == 4)
        #expect(abs(handshake.p50 - (version == .v13 ? 0.001 : 0.002)) < 1e-5)
        #expect(LoadTest.LatencySummary(run.result.sample.connect).max < 1e-5)
        #expect(abs(run.latency.p50 - 0.001) < 1e-5)
        #expect(run.result.agreements.map(\.count) == [4])
        #expect(run.result.agreements.map(\.version) == [version.description])
        #expect(run.world.openDescriptors == [])
    }

    @Test(
        "each request of mode handshake is one handshake, of which the given percentage is resumed",
        arguments: TLSVersion.allCases,
        [(0, 0), (25, 25), (50, 50), (100, 99)]
    )
    func handshakes(version: TLSVersion, resumed: (percentage: Int, count: Int)) throws {
        for ending in LoadTest.ConnectionEnding.allCases {
            let plan = try plan(version, resume: resumed.percentage)
            let run = try run(try target(), workload: echo(0), connections: 4) { configuration, _ in
                configuration.lifecycle = .perExchange(ending)
                configuration.tls = plan
                configuration.schedule = Schedule(.constant(100), arrivals: .constant)
            }
            #expect(run.counts.failures.total == 0)
            #expect(run.counts.answered == 100)
            #expect(run.counts.resumedHandshakes == resumed.count)
            #expect(run.counts.fullHandshakes == 100 - resumed.count)
            #expect(run.world.connects == 100)
            #expect(run.counts.bytesSent == 0)
            #expect(run.counts.truncated == 0)
            // A resumed handshake of TLS 1.2 has one flight of the target less.
            let flights = version == .v13 ? 1 : 2
            #expect(abs(run.latency.max - Double(flights) / 1000) < 1e-5)
            #expect(abs(run.latency.min - (resumed.count > 0 ? 0.001 : Double(flights) / 1000)) < 1e-5)
            #expect(run.world.openDescriptors == [])
        }
    }

    @Test("a closed loop of handshakes waits for the end of each connection")
    func closedLoop() throws {
        let plan = try plan()
        let run = try run(try target(), workload: echo(0), connections: 3) { configuration, _ in
            configuration.lifecycle = .perExchange(.fin)
            configuration.tls = plan
        }
        // A millisecond for the handshake, and one for the end.
        #expect(run.counts.answered == 3 * 500)
        #expect(run.counts.handshakes == 3 * 500)
    }

    @Test(
        "large requests are encrypted and compared whatever the sizes of transfers",
        arguments: [1, 2, 3] as [UInt64]
    )
    func fragments(seed: UInt64) throws {
        let plan = try plan()
        var bulk = LoadTest.Bulk(.both)
        bulk.verifies = true
        bulk.chunk = 100_000
        let run = try run(
            try target(),
            workload: StreamWorkload(bulk),
            connections: 2,
            duration: .milliseconds(20),
            seed: seed,
            callCost: .microseconds(5)
        ) { configuration, world in
            configuration.tls = plan
            configuration.bufferSize = 20_000
            world.faults.largestTransfer = 30_000
            world.faults.shortTransfers = 0.9
            world.faults.wouldBlocks = 0.2
        }
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.bytesSent > 500_000)
        #expect(run.counts.bytesReceived == run.counts.bytesSent)
        #expect(run.counts.bytesAcknowledged == run.counts.bytesSent)
        #expect(run.world.openDescriptors == [])
    }

    @Test(
        "whatever fails, each request has one outcome, and each connection is closed",
        arguments: 0..<30 as Range<UInt64>
    )
    func faults(seed: UInt64) throws {
        let version = seed.isMultiple(of: 2) ? TLSVersion.v12 : .v13
        let plan = try plan(version, resume: 50)
        let size = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 64 : 300_000
        let isPerExchange = size == 0 || seed.isMultiple(of: 5)
        let run = try run(
            try target(),
            workload: echo(size),
            connections: 4,
            duration: .milliseconds(300),
            seed: seed,
            callCost: .microseconds(3)
        ) { configuration, world in
            configuration.tls = plan
            configuration.bufferSize = 20_000
            configuration.timeout = .milliseconds(200)
            configuration.connectTimeout = .milliseconds(100)
            if isPerExchange { configuration.lifecycle = .perExchange(seed.isMultiple(of: 7) ? .reset : .fin) }
            if seed % 4 < 2 { configuration.schedule = Schedule(.constant(300), arrivals: .constant) }
            world.faults.largestTransfer = 9000
            world.faults.shortTransfers = 0.5
            world.faults.wouldBlocks = 0.1
            world.faults.resets = 0.005
            world.faults.doubledEvents = 0.1
            world.faults.lateEvents = 0.1
            world.faults.staleEvents = 0.1
        }
        let counts = run.counts
        #expect(counts.due > 0)
        #expect(
            counts.due
                == counts.answered + counts.failed + counts.unanswered + counts.unsent + counts.overflowed
        )
        #expect(counts.failures[.mismatch] == 0)
        #expect(counts.failures[.tls] == 0, "\(counts.failures.tlsCauses)")
        #expect(counts.connected == counts.handshakes)
        #expect(run.world.openDescriptors == [])
    }

    @Test("connect: the latency includes the handshake")
    func connect() throws {
        let plan = try plan(resume: 100)
        let run = try run(try target(), workload: echo(), connections: 4) { configuration, _ in
            configuration.lifecycle = .perExchange(.fin)
            configuration.tls = plan
            configuration.schedule = Schedule(.constant(100), arrivals: .constant)
        }
        #expect(run.counts.answered == 100)
        #expect(run.counts.resumedHandshakes == 99)
        #expect(abs(run.latency.p50 - 0.002) < 1e-5)
    }

    @Test("held connections stay open and answer at the end")
    func hold() throws {
        let plan = try plan()
        let run = try run(try target(), workload: echo(), connections: 20) { configuration, _ in
            configuration.lifecycle = .held
            configuration.tls = plan
        }
        #expect(run.counts.failures.total == 0)
        #expect(run.result.atEnd?.open == 20)
        #expect(run.counts.answered == 20)
    }

    @Test("a PROXY protocol header precedes the handshake")
    func proxyHeader() throws {
        let plan = try plan()
        let run = try run(try target(preamble: 28), workload: echo(), connections: 2) { configuration, _ in
            configuration.tls = plan
            configuration.proxyHeader = .v2
            configuration.schedule = Schedule(.constant(10), arrivals: .constant)
        }
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.bytesSent == 2 * 28 + 10 * 64)
    }

    @Test(
        "a failed handshake is counted by its cause",
        arguments: [
            (TLSTarget.Fault.silent, LoadTest.FailureCause.timeout), (.garbage, .tls), (.resets, .reset),
            (.ends, .closedEarly),
        ]
    )
    func failures(fault: TLSTarget.Fault, cause: LoadTest.FailureCause) throws {
        let plan = try plan()
        let run = try run(try target(fault), workload: echo(0), connections: 4) { configuration, _ in
            configuration.lifecycle = .perExchange(.fin)
            configuration.tls = plan
            configuration.connectTimeout = .milliseconds(100)
            configuration.schedule = Schedule(.constant(20), arrivals: .constant)
        }
        #expect(run.counts.failures[cause] > 0)
        #expect(run.counts.failures.total == run.counts.failures[cause])
        #expect(run.counts.handshakes == 0)
        #expect(run.counts.connected == 0)
        #expect(run.counts.due == run.counts.failed + run.counts.unanswered + run.counts.unsent)
        #expect(run.counts.failures.tlsCauses.map(\.cause) == (cause == .tls ? ["wrong version number"] : []))
        #expect(run.world.openDescriptors == [])
    }

    @Test("a certificate for another name is refused, and the cause is reported once for all connections")
    func untrusted() throws {
        let plan = try plan(name: "example.org")
        let run = try run(try target(), workload: echo(), connections: 8, duration: .milliseconds(1)) {
            configuration,
            _ in configuration.tls = plan
        }
        let causes = run.counts.failures.tlsCauses
        #expect(causes.count == 1)
        #expect(causes.first?.cause.contains("certificate is not valid for the name") == true)
        #expect(causes.first?.count == run.counts.failures[.tls])
        #expect(run.counts.failures[.tls] >= 8)
        #expect(run.counts.handshakes == 0)
    }

    @Test("a target that requires a client certificate refuses the connection", arguments: TLSVersion.allCases)
    func clientCertificate(version: TLSVersion) throws {
        let plan = try plan(version)
        let target = try target { settings in
            settings.clients = .init(authorities: certificate.chain, areRequired: true)
        }
        let run = try run(target, workload: echo(0), connections: 4) { configuration, _ in
            configuration.lifecycle = .perExchange(.fin)
            configuration.tls = plan
            configuration.schedule = Schedule(.constant(10), arrivals: .constant)
        }
        #expect(run.counts.answered == 0)
        #expect(run.counts.failures[.tls] > 0)
        #expect(run.counts.failures.total == run.counts.failures[.tls])
    }

    @Test("a stream that ends without close_notify counts as truncated")
    func truncated() throws {
        let plan = try plan()
        let run = try run(try target(.truncates), workload: echo(), connections: 1) { configuration, _ in
            configuration.tls = plan
            configuration.schedule = Schedule(.constant(10), arrivals: .constant)
        }
        // The response is complete, so the end of the connection is not an error.
        #expect(run.counts.answered == 10)
        #expect(run.counts.failures.total == 0)
        #expect(run.counts.closedIdle >= 9)
        #expect(run.counts.truncated == run.counts.closedIdle)
    }

    @Test(
        "causes of failures are added and subtracted by kind; of more kinds than there is room for, only the total counts"
    )
    func causes() {
        var counts = LoadTest.FailureCounts()
        for code in 1...10 as ClosedRange<Int64> { counts.add(TLSFailure(code: -code)) }
        counts.add(TLSFailure(code: -2))
        #expect(counts[.tls] == 11)
        #expect(counts.tlsCauses.count == 8)
        #expect(counts.tlsCauses.first?.count == 2)
        var earlier = LoadTest.FailureCounts()
        earlier.add(TLSFailure(code: -1))
        let difference = counts - earlier
        #expect(difference.tlsCauses.count == 7)
        #expect(difference[.tls] == 10)
        #expect((difference + earlier).tlsCauses.count == 8)
        #expect((difference + earlier).tlsCauses.first?.count == 2)
    }

    @Test("settings of TLS are validated before the run")
    func settings() throws {
        var configuration = try LoadTest.Configuration("127.0.0.1:1", mode: .handshake(ending: .fin))
        #expect(throws: LoadTestError.self) { try LoadTest(configuration) }
        configuration.tls = LoadTest.TLSConfiguration(verification: .authorities(certificate.chain))
        _ = try LoadTest(configuration)
        #expect(configuration.serverName == "127.0.0.1")
        configuration.tls?.resume = 101
        #expect(throws: LoadTestError.self) { try LoadTest(configuration) }
        configuration.tls?.resume = 100
        configuration.tls?.settings.verification = .authorities(PEMText(name: "ca.pem", bytes: []))
        let error = #expect(throws: LoadTestError.self) { try LoadTest(configuration) }
        #expect(error?.description.contains("ca.pem") == true)
        configuration.target = .socket(.unix(path: "/x"))
        configuration.tls?.settings.verification = .authorities(certificate.chain)
        #expect(throws: LoadTestError.self) { try LoadTest(configuration) }
        configuration.tls?.serverName = "example.com"
        _ = try LoadTest(configuration)
        configuration.target = .name(host: "example.org", port: 443)
        configuration.tls?.serverName = nil
        #expect(configuration.serverName == "example.org")
    }
}
