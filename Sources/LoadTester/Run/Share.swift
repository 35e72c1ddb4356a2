import Sockets

extension Plan {
    /// How often the threads tell: often enough for a smooth picture of a short run, not so often that a long one has
    /// more points than a screen.
    var interval: Duration {
        min(max(duration / 100, .milliseconds(100)), .seconds(1))
    }

    /// Whether connections are opened before the start.
    var opensBefore: Bool {
        if case .connect = mode { false } else { true }
    }

    /// A thread's part: as many connections as the others, give or take one, and every so manyth request.
    func share(of thread: Int, target: SocketAddress) -> GeneratorPlan {
        let threads = usedThreads
        var share = GeneratorPlan(
            target: RawAddress(target),
            connections: connections / threads + (thread < connections % threads ? 1 : 0),
            duration: duration
        )
        share.sources = sources.map { RawAddress($0) }
        share.lifecycle = lifecycle
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

    /// Whether the mode has no requests, and so no rate: the bulk modes, and hold.
    public var isUnpaced: Bool {
        switch mode {
        case .bulk, .hold: true
        case .echo, .request, .connect, .script: false
        }
    }

    /// Of each thread: small where little comes back, so that it stays in the processor's nearest cache.
    private var bufferSize: Int {
        let (small, large) = (64 << 10, 256 << 10)
        return switch mode {
        case .bulk: large
        case .echo(let payload): payload.count > small ? large : small
        case .request(_, let response): response.size > small ? large : small
        case .connect, .hold, .script: small
        }
    }

    private var lifecycle: GeneratorPlan.Lifecycle {
        switch mode {
        case .echo, .request, .bulk, .script: .kept
        case .connect(_, let ending): .perExchange(ending)
        case .hold: .held
        }
    }
}
