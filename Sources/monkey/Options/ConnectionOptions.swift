import ArgumentParser
import Sockets
import TCPProxy

/// Options for the number of connections and for their sockets.
struct ConnectionOptions: ParsableArguments {
    @Option(.wholeNumber(1...64), "Number of worker threads, 1 to 64; one per processor is best.")
    var threads = ProxyConfiguration().threads

    @Option(
        .wholeNumber(1...1_000_000),
        "Maximum number of concurrent connections; others wait in the backlog. (default: from the descriptor limit)"
    )
    var maxConnections: Int?

    @Option(
        .wholeNumber(1...65_535),
        "Length of the accept queue of each thread, capped by the system's net.core.somaxconn."
    )
    var backlog = defaults.backlog

    @Option(
        help: ArgumentHelp(
            "Relay method: auto copies small messages and splices larger ones; copy and splice use only one method.",
            valueName: "engine"
        )
    )
    var engine: EngineChoice = .auto

    @Option(
        .wholeNumber(0...4096),
        """
        Maximum number of pipes per thread that hold bytes for a slow receiver; when all are in use, other directions \
        are copied. (default: from the system's limits)
        """
    )
    var maxPipes: Int?

    @Option(
        .hostAddress,
        "Local IP address for outgoing connections; can be repeated, which makes more ports available."
    )
    var source: [InternetAddress] = []

    @Option(.wholeSecondsOrOff(.seconds(1)...(.seconds(32_767))), "Idle time before a TCP keepalive probe, or off.")
    var keepalive = Switchable((defaults.keepAlive?.interval).map(DurationValue.init))

    @Option(
        .durationOrOff(.milliseconds(1)...(.seconds(596 * 3600))),
        "Maximum time sent bytes may stay unacknowledged (TCP_USER_TIMEOUT); off uses the system's default."
    )
    var tcpUserTimeout = Switchable(defaults.timeouts.user.map(DurationValue.init))

    private static let defaults = ListenerConfiguration(address: .loopback(port: 0))

    func apply(to configuration: inout ProxyConfiguration) {
        configuration.threads = threads
        configuration.maxConnections = maxConnections
        configuration.engine = engine.engine
        configuration.maxPipes = maxPipes
    }

    func apply(to listener: inout ListenerConfiguration) {
        listener.backlog = backlog
        listener.sourceAddresses = source
        listener.keepAlive = keepalive.value.map { KeepAlive(interval: $0.duration) }
        listener.timeouts.user = tcpUserTimeout.value?.duration
    }
}

/// The values of `--engine`, which are the library's own names.
enum EngineChoice: String, CaseIterable, ExpressibleByArgument {
    case auto, copy, splice

    var engine: RelayEngine {
        switch self {
        case .auto: .auto
        case .copy: .copy
        case .splice: .splice
        }
    }
}
