import ArgumentParser
import Sockets
import TCPProxy

/// Options for the number of connections and for their sockets.
struct ConnectionOptions: ParsableArguments {
    @Option(.wholeNumber(1...64), "Worker threads, 1 to 64; best is one for each processor.")
    var threads = Configuration().threads

    @Option(
        .wholeNumber(1...1_000_000),
        "Connections at the same time; the others wait in the backlog. (default: what the descriptor limit allows)"
    )
    var maxConnections: Int?

    @Option(
        .wholeNumber(1...65_535),
        "Connections that may wait to be accepted, for each thread; the system's net.core.somaxconn caps it."
    )
    var backlog = Configuration().backlog

    @Option(
        help: ArgumentHelp(
            "How bytes move: auto copies small messages and splices larger ones; copy and splice do only the one.",
            valueName: "engine"
        )
    )
    var engine: EngineChoice = .auto

    @Option(
        .wholeNumber(0...4096),
        """
        Pipes with bytes that a slow side does not take, for each thread; when all are in use, the other directions copy. \
        (default: what the system's limits allow)
        """
    )
    var maxPipes: Int?

    @Option(
        .hostAddress,
        "Local IP address for outgoing connections; several, each with its own --source, give more ports."
    )
    var source: [InternetAddress] = []

    @Option(.wholeSecondsOrOff(.seconds(1)...(.seconds(32_767))), "Silence before an idle peer is probed, or off.")
    var keepalive = Switchable((Configuration().keepAlive?.interval).map(WrittenDuration.init))

    @Option(
        .durationOrOff(.milliseconds(1)...(.seconds(596 * 3600))),
        "How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT); off leaves it to the system."
    )
    var userTimeout = Switchable(Configuration().timeouts.user.map(WrittenDuration.init))

    func apply(to configuration: inout Configuration) {
        configuration.threads = threads
        configuration.maxConnections = maxConnections
        configuration.backlog = backlog
        configuration.engine = engine.engine
        configuration.maxPipes = maxPipes
        configuration.sourceAddresses = source
        configuration.keepAlive = keepalive.value.map { KeepAlive(interval: $0.duration) }
        configuration.timeouts.user = userTimeout.value?.duration
    }
}

/// The values of `--engine`, which are the library's own names.
enum EngineChoice: String, CaseIterable, ExpressibleByArgument {
    case auto, copy, splice

    var engine: Engine {
        switch self {
        case .auto: .auto
        case .copy: .copy
        case .splice: .splice
        }
    }
}
