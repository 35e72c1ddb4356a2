import Balancing
import FakeSystem
import Glibc
import Randomness
import Relay
import Sockets
import TLS

/// Everything that a seed decides in advance: the proxy, the machine, the network, and their faults.
///
/// Each kind of fault is present or not independently, so that all combinations occur, and some seeds have none.
struct Scenario {
    /// Amount of data sent.
    enum Traffic: String {
        /// Small amounts, through buffers of any size.
        case chatter
        /// Amounts and buffers so large that the directions splice without being configured to.
        case bulk
    }

    /// When the proxy stops accepting.
    enum Shutdown {
        /// When all connections are over.
        case atEnd
        /// In the middle.
        case after(Duration, grace: Duration)
        /// In the middle, and without a drain.
        case forced(after: Duration)
    }

    /// How clients are distributed over the servers, and what happens to them if no slot is free.
    struct Balancing {
        let policy: BalancingPolicy
        /// Maximum number of connections of each server; nil is unlimited.
        let limit: Int?
        let queueLimit: Int
        let queueTimeout: Duration?
        let onAllDown: PoolConfiguration.OnAllDown
    }

    let seed: UInt64
    let traffic: Traffic
    let clients: Int
    let workers: Int
    let limit: Int
    let address = SocketAddress.internet(InternetAddress(v4: 0x7F00_0001, port: 8080))
    let upstreams: [SocketAddress]
    /// Maximum number of events of one wait.
    let batch: Int
    let configuration: ProxyConfiguration
    private(set) var listener: ListenerConfiguration
    let descriptorLimit: Int
    /// Range of the sizes of all socket buffers.
    let buffers: ClosedRange<Int>
    /// Maximum latency of the network.
    let slowest: Duration
    let shutdown: Shutdown
    /// Whether events are read.
    let isObserved: Bool
    /// How servers are chosen if there are several; nil continues with the server that answered last.
    let balancing: Balancing?
    /// When all clients connect together to one worker, which must hand most of them over; nil if each connects separately.
    let crowd: Duration?

    // Faults. A `Double` is a probability, wherever the fault can happen; 0 is never.

    let shortTransfers: Double
    let wouldBlocks: Double
    let doubledEvents: Double
    let lateEvents: Double
    let staleEvents: Double
    let interruptedWaits: Double
    let largestSegment: Int
    let largestPipe: Int
    /// A call fails for lack of memory or descriptors.
    let exhaustion: Double
    /// A pipe cannot be created.
    let pipeFailures: Double
    /// A send, a receive or a splice fails for lack of memory.
    let transferFailures: Double
    /// The network resets a connection in the middle of a turn.
    let resets: Double
    /// A server does not accept a connection immediately.
    let dialTrouble: Double
    /// A worker does not get a processor immediately.
    let delayedTurns: Double
    /// A worker has a turn in the middle of another's.
    let interleavedTurns: Double
    /// When the process is stopped, and for how long; nil if it is not.
    let stop: (at: Duration, lasting: Duration)?
    /// A program stalls, resets, closes or vanishes.
    let misbehaviour: Double
    /// A program reads little at a time.
    let slowReading: Double
    /// A pipe's slots are used up before its bytes are.
    let fragmentedPipes: Double
    /// Whether both sides of each connection have a transform.
    let isTransformed: Bool
    /// A step of a transform fails.
    let transformFailures: Double
    /// A handshake with a client needs the client's first bytes.
    let handshakeDelays: Double
    /// When directions batch their reads: sooner than in production, so that it happens at all.
    let batching: BatchingPolicy

    init(seed: UInt64) {
        var random = SplitMix64(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        func pick<T>(_ choices: T...) -> T { choices.randomElement(using: &random)! }
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
        func milliseconds(_ range: ClosedRange<Int>) -> Duration { .milliseconds(number(range)) }
        // One seed in eight has no fault at all.
        let troubles = number(0...7) == 0 ? 0 : number(1...6)
        func trouble(_ most: Double) -> Double {
            number(0...7) < troubles ? Double.random(in: 0...most, using: &random) : 0
        }

        self.seed = seed
        traffic = number(0...4) == 0 ? .bulk : .chatter
        clients = traffic == .bulk ? number(1...3) : number(1...12)
        workers = number(1...3)
        limit = pick(1, 2, 4, 8, 16, 16)
        upstreams = (1...number(1...3)).map {
            .internet(InternetAddress(v4: 0x0A00_0000 + UInt32($0), port: 80))
        }
        batch = pick(1, 2, 5, 256, 256)

        var configuration = ProxyConfiguration()
        var listener = ListenerConfiguration(address: .socket(address))
        configuration.engine = traffic == .bulk ? pick(.auto, .auto, .splice) : pick(.auto, .copy, .splice)
        configuration.maxPipes = pick(0, 1, 2, 8, 8)
        listener.backlog = pick(1, 3, 4096, 4096)
        listener.timeouts.idle = pick(nil, nil, nil, milliseconds(300...3_000))
        listener.timeouts.halfClose = pick(nil, .seconds(3600), milliseconds(200...3_000))
        listener.timeouts.lifetime = pick(nil, nil, nil, nil, milliseconds(200...4_000))
        listener.timeouts.connectAttempt = pick(nil, .seconds(5), milliseconds(100...1_000))
        listener.timeouts.connect = pick(.seconds(15), milliseconds(100...2_000))
        listener.timeouts.resetDrainTimeout = pick(milliseconds(20...100), milliseconds(200...2_000))
        self.configuration = configuration
        self.listener = listener
        isObserved = number(0...7) != 0

        descriptorLimit = number(0...7) == 0 ? workers + number(2...20) : 1024
        let smallest = traffic == .bulk ? 100_000 : number(100...2_000)
        buffers = smallest...(traffic == .bulk ? number(100_000...2_000_000) : number(2_000...40_000))
        slowest = pick(.zero, .microseconds(number(1...3_000)), milliseconds(1...20))
        switch number(0...7) {
        case 0...1: shutdown = .after(milliseconds(0...3_000), grace: milliseconds(0...3_000))
        case 2...3: shutdown = .forced(after: milliseconds(0...3_000))
        default: shutdown = .atEnd
        }

        shortTransfers = trouble(0.4)
        wouldBlocks = trouble(0.3)
        doubledEvents = trouble(0.4)
        lateEvents = trouble(0.4)
        staleEvents = trouble(0.3)
        interruptedWaits = trouble(0.3)
        largestSegment = trouble(1) > 0 && traffic == .chatter ? 500 : .max
        largestPipe = trouble(1) > 0 ? pick(4096, 65_536, 262_144, 300_000) : .max
        exhaustion = trouble(0.2)
        pipeFailures = trouble(0.7)
        transferFailures = number(0...1) == 0 ? trouble(0.01) : 0
        resets = trouble(0.005)
        dialTrouble = trouble(0.7)
        delayedTurns = trouble(0.2)
        misbehaviour = trouble(0.8)
        slowReading = trouble(0.6)
        interleavedTurns = workers > 1 ? trouble(0.3) : 0
        crowd = workers > 1 && number(0...2) == 0 ? Self.crowd(shutdown, &random) : nil
        balancing =
            number(0...1) == 0
            ? nil
            : Balancing(
                policy: BalancingPolicy.allCases.randomElement(using: &random)!,
                limit: pick(nil, 1, 2, 4),
                queueLimit: pick(0, 1, 100, 100),
                queueTimeout: pick(nil, .seconds(5), milliseconds(100...1_000)),
                onAllDown: pick(.refuse, .tryAnyway)
            )
        fragmentedPipes = trouble(0.5)
        batching = pick(
            BatchingPolicy(),
            BatchingPolicy(minimumKiB: 128, minimumDuration: .zero),
            BatchingPolicy(minimumKiB: 256, minimumDuration: .milliseconds(2), maxPause: .milliseconds(25))
        )
        stop = number(0...5) < 5 ? nil : (milliseconds(0...2_000), milliseconds(300...4_000))
        // Certificates require a TLS library.
        isTransformed = number(0...3) == 0 && TLSLibrary.isAvailable
        if isTransformed { self.listener.tls = ListenerTLS(certificates: [Self.certificate]) }
        transformFailures = isTransformed ? trouble(0.02) : 0
        handshakeDelays = isTransformed ? trouble(0.5) : 0
    }

    /// At any time, or during the moments in which the workers receive the message to shut down, one by one.
    private static func crowd(_ shutdown: Shutdown, _ random: inout SplitMix64) -> Duration {
        switch shutdown {
        case .after(let delay, _), .forced(let delay):
            delay + .microseconds(Int.random(in: 0...Self.telling, using: &random))
        case .atEnd:
            .milliseconds(Int.random(in: 0...1_999, using: &random))
        }
    }

    /// The certificate of listeners with a transform, which the fake transform ignores.
    private static let certificate: TLSCertificate = {
        do throws(TLSError) {
            return try TLSCertificate.selfSigned(name: "localhost", isAddress: false)
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    /// Microseconds within which all workers receive a message that is sent to all.
    static let telling = 2

    /// Whether a call or a step may fail in the middle of a connection.
    var hasTransferFailures: Bool { transferFailures > 0 || transformFailures > 0 }

    /// Whether handshakes may fail or wait.
    var hasHandshakeTrouble: Bool { transformFailures > 0 || handshakeDelays > 0 }

    /// The faults of all transforms.
    var transformFaults: FakeTransform.Faults? {
        guard hasHandshakeTrouble else { return nil }
        return FakeTransform.Faults(failures: transformFailures, delays: handshakeDelays, seed: seed)
    }

    /// The pool of all its servers, or of some.
    func pool(of addresses: [SocketAddress]) -> PoolConfiguration {
        let tls = isTransformed ? PoolTLS(verification: .off) : nil
        guard let balancing else {
            var pool = PoolConfiguration(upstream: "server", at: addresses)
            pool.tls = tls
            return pool
        }
        let servers = addresses.map { address in
            var server = ServerConfiguration(address)
            server.maxConnections = balancing.limit
            return server
        }
        var pool = PoolConfiguration(name: "server", policy: balancing.policy, servers: servers)
        pool.queueLimit = balancing.queueLimit
        pool.queueTimeout = balancing.queueTimeout
        pool.onAllDown = balancing.onAllDown
        pool.tls = tls
        return pool
    }

    /// Sets up the machine; faults begin with ``begin(in:)``.
    func makeWorld() -> FakeWorld {
        let world = FakeWorld(seed: seed)
        world.descriptorLimit = descriptorLimit
        return world
    }

    /// Enables the faults from now on.
    func begin(in world: FakeWorld) {
        world.faults.shortTransfers = shortTransfers
        world.faults.wouldBlocks = wouldBlocks
        world.faults.doubledEvents = doubledEvents
        world.faults.lateEvents = lateEvents
        world.faults.staleEvents = staleEvents
        world.faults.interruptedWaits = interruptedWaits
        world.faults.largestSegment = largestSegment
        world.faults.largestPipe = largestPipe
        world.faults.fragmentedPipes = fragmentedPipes
        world.faults.resets = resets
        let lacking = [EMFILE, ENFILE, ENOBUFS, ENOMEM].map { SystemError(code: $0) }
        let refusing = [EADDRNOTAVAIL, EAGAIN, ENETUNREACH, ECONNREFUSED].map { SystemError(code: $0) }
        let dying = [ECONNABORTED, EPROTO].map { SystemError(code: $0) }
        let unwatched = [ENOMEM, ENOSPC].map { SystemError(code: $0) }
        world.faults.fail(.accept, withOneOf: lacking + dying, probability: exhaustion)
        world.faults.fail(.connect, withOneOf: lacking + refusing, probability: exhaustion)
        world.faults.fail(.register, withOneOf: unwatched, probability: exhaustion / 4)
        world.faults.fail(.pipe, withOneOf: lacking, probability: pipeFailures)
        let starving = [ENOMEM, ENOBUFS].map { SystemError(code: $0) }
        world.faults.fail(.receive, withOneOf: starving, probability: transferFailures)
        world.faults.fail(.send, withOneOf: starving, probability: transferFailures)
        // Rarer than transfers: one allocation serves many connections.
        world.faults.fail(.allocate, withOneOf: starving, probability: transferFailures * 30)
        world.faults.fail(.splice, withOneOf: starving + [.invalidArgument], probability: transferFailures)
    }

    /// The first line of a log.
    var description: String {
        let timeouts = listener.timeouts
        func percent(_ probability: Double) -> String { "\(Int((probability * 1000).rounded()))" }
        return """
            seed \(seed): \(traffic), \(clients) clients, \(workers) workers, \(upstreams.count) upstreams, limit \(limit)
            engine \(configuration.engine.rawValue), pipes \(configuration.maxPipes ?? 0) of at most \(largestPipe), \
            backlog \(listener.backlog), descriptors \(descriptorLimit), batch \(batch)
            buffers: \(buffers.lowerBound) to \(buffers.upperBound) bytes; segments \(largestSegment); latency \(slowest)
            timeouts: attempt \(timeouts.connectAttempt.map(\.description) ?? "off"), \
            connect \(timeouts.connect.map(\.description) ?? "off"), idle \(timeouts.idle.map(\.description) ?? "off"), \
            half-close \(timeouts.halfClose.map(\.description) ?? "off"), \
            lifetime \(timeouts.lifetime.map(\.description) ?? "off"), reset drain \(timeouts.resetDrainTimeout)
            balancing: \(balancing.map { "\($0)" } ?? "none")
            shutdown: \(shutdown); crowd \(crowd.map(\.description) ?? "none"); \
            stopped: \(stop.map { "at \($0.at) for \($0.lasting)" } ?? "never")
            per mille: short \(percent(shortTransfers)), would-block \(percent(wouldBlocks)), \
            doubled \(percent(doubledEvents)), late \(percent(lateEvents)), stale \(percent(staleEvents)), \
            interrupted \(percent(interruptedWaits)), exhausted \(percent(exhaustion)), \
            no pipe \(percent(pipeFailures)), no memory \(percent(transferFailures)), reset \(percent(resets)), \
            dial \(percent(dialTrouble)), delayed \(percent(delayedTurns)), \
            interleaved \(percent(interleavedTurns)), misbehavior \(percent(misbehaviour)), \
            slow reading \(percent(slowReading)), fragmented pipes \(percent(fragmentedPipes)), \
            transforms \(isTransformed ? "fail \(percent(transformFailures)), wait \(percent(handshakeDelays))" : "none")
            batching: from \(batching.minimumKiB) KiB and \(batching.minimumDuration) ns on, pauses of \
            \(batching.maxPause) ns
            """
    }
}
