import ArgumentParser
import Sockets
import TCPProxy

/// How many connections, and how their sockets are set.
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
        configuration.sourceAddresses = source
        configuration.keepAlive = keepalive.value.map { KeepAlive(interval: $0.duration) }
        configuration.timeouts.user = userTimeout.value?.duration
    }
}
