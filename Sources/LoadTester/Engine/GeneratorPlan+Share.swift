import Sockets
import TLS

extension LoadTest.Configuration {
    /// Interval between bulletins: 1/100 of the duration, at least 100 ms and at most 1 s.
    var interval: Duration {
        min(max(duration / 100, .milliseconds(100)), .seconds(1))
    }

    /// Whether connections are opened before the start.
    var opensBefore: Bool {
        switch mode {
        case .connect, .handshake: false
        case .echo, .request, .bulk, .hold, .script: true
        }
    }

    /// The share of one thread: an equal number of connections, give or take one, and every n-th request of n threads.
    ///
    /// - Parameter context: nil without TLS.
    func share(of thread: Int, target: SocketAddress, context: TLSContext? = nil) -> GeneratorPlan {
        let threads = usedThreads
        var share = GeneratorPlan(
            target: RawAddress(target),
            connections: connections / threads + (thread < connections % threads ? 1 : 0),
            duration: duration
        )
        share.sources = sources.map { RawAddress($0) }
        share.lifecycle = lifecycle
        share.proxyHeader = proxyHeader
        if let context, let tls, let serverName {
            share.tls = TLSPlan(context: context, serverName: serverName, resume: tls.resume)
        }
        if case .rate(let profile) = pace, !isUnpaced {
            share.schedule = Schedule(
                profile.after(warmUp),
                arrivals: arrivals,
                share: (thread, threads),
                seed: seed
            )
            if !profile.pieces.isEmpty { share.steps = rampSteps }
        }
        share.queueLimit = max(1, queueLimit / threads)
        share.warmUp = warmUp
        share.drain = drain
        share.timeout = timeout
        share.connectTimeout = connectTimeout
        share.interval = interval
        share.bufferSize = bufferSize
        return share
    }

    /// Whether the mode has no requests and thus no rate: the bulk modes and `hold`.
    public var isUnpaced: Bool {
        switch mode {
        case .bulk, .hold: true
        case .echo, .request, .connect, .handshake, .script: false
        }
    }

    /// Size of each thread's receive buffer: small if responses are small, so that it stays in the L1 or L2 cache.
    private var bufferSize: Int {
        let (small, large) = (64 << 10, 256 << 10)
        return switch mode {
        case .bulk: large
        case .echo(let payload): payload.count > small ? large : small
        case .request(_, let response): response.size > small ? large : small
        case .connect, .handshake, .hold, .script: small
        }
    }

    private var lifecycle: GeneratorPlan.Lifecycle {
        switch mode {
        case .echo, .request, .bulk, .script: .kept
        case .connect(_, let ending), .handshake(let ending): .perExchange(ending)
        case .hold: .held
        }
    }
}
