import ArgumentParser
import Sockets
import TCPProxy

/// Options for the number of connections and for their sockets.
struct ConnectionOptions: ParsableArguments {
    @Option(ProxyConfiguration.Settings.threads)
    var threads: Int

    @Option(ProxyConfiguration.Settings.maxConnections)
    var maxConnections: Int?

    @Option(ListenerConfiguration.Settings.backlog)
    var backlog: Int

    @Option(ProxyConfiguration.Settings.engine, named: "engine")
    var engine: RelayEngine

    @Option(ProxyConfiguration.Settings.maxPipes)
    var maxPipes: Int?

    @Option(ListenerConfiguration.Settings.source, .hostAddress)
    var source: [InternetAddress]

    @Option(ListenerConfiguration.Settings.keepAlive)
    var keepalive: Switchable<DurationValue>

    @Option(ListenerConfiguration.Settings.tcpUserTimeout)
    var tcpUserTimeout: Switchable<DurationValue>

    func apply(to configuration: inout ProxyConfiguration) {
        configuration.threads = threads
        configuration.maxConnections = maxConnections
        configuration.engine = engine
        configuration.maxPipes = maxPipes
    }

    func apply(to listener: inout ListenerConfiguration) {
        listener.backlog = backlog
        listener.sourceAddresses = source
        listener.keepAlive = keepalive.value.map { KeepAlive(interval: $0.duration) }
        listener.timeouts.user = tcpUserTimeout.value?.duration
    }
}
