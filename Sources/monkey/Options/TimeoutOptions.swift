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
    var resolveInterval = Switchable(Configuration().resolveInterval.map(DurationValue.init))

    private static let defaults = Configuration.Timeouts()

    func apply(to configuration: inout Configuration) {
        configuration.timeouts.connectAttempt = connectTimeout.value?.duration
        configuration.timeouts.connect = connectDeadline.value?.duration
        configuration.timeouts.idle = idleTimeout.value?.duration
        configuration.timeouts.halfClose = halfCloseTimeout.value?.duration
        configuration.timeouts.lifetime = lifetime.value?.duration
        configuration.resolveInterval = resolveInterval.value?.duration
    }
}
