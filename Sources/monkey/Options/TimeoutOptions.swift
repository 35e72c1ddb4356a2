import ArgumentParser
import TCPProxy

/// Options for the timeouts of the phases of a connection.
struct TimeoutOptions: ParsableArguments {
    @Option(.durationOrOff(), "Timeout for one attempt to connect to one of the upstream's addresses, or off.")
    var connectTimeout = Switchable(defaults.connectAttempt.map(DurationValue.init))

    @Option(.durationOrOff(), "Timeout for all connection attempts of one client connection together, or off.")
    var connectDeadline = Switchable(defaults.connect.map(DurationValue.init))

    @Option(.durationOrOff(), "Timeout for a connection without traffic in either direction, or off.")
    var idleTimeout = Switchable(defaults.idle.map(DurationValue.init))

    @Option(
        .durationOrOff(),
        "Timeout for a connection with one direction closed and no traffic in the other, or off."
    )
    var halfCloseTimeout = Switchable(defaults.halfClose.map(DurationValue.init))

    @Option(.durationOrOff(), "Maximum duration of a connection, regardless of traffic, or off.")
    var lifetime = Switchable(defaults.lifetime.map(DurationValue.init))

    @Option(.durationOrOff(), "Interval at which the upstream's host name is resolved again; off resolves it once.")
    var resolveInterval = Switchable(ProxyConfiguration().resolveInterval.map(DurationValue.init))

    private static let defaults = ListenerConfiguration.Timeouts()

    func apply(to listener: inout ListenerConfiguration) {
        listener.timeouts.connectAttempt = connectTimeout.value?.duration
        listener.timeouts.connect = connectDeadline.value?.duration
        listener.timeouts.idle = idleTimeout.value?.duration
        listener.timeouts.halfClose = halfCloseTimeout.value?.duration
        listener.timeouts.lifetime = lifetime.value?.duration
    }

    func apply(to configuration: inout ProxyConfiguration) {
        configuration.resolveInterval = resolveInterval.value?.duration
    }
}
