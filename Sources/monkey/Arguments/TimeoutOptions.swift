import ArgumentParser
import TCPProxy

/// Options for the timeouts of the phases of a connection.
struct TimeoutOptions: ParsableArguments {
    @Option(.durationOrOff(), "For one attempt to reach one of the upstream's addresses, or off.")
    var connectTimeout = Switchable(defaults.connectAttempt.map(WrittenDuration.init))

    @Option(.durationOrOff(), "For all attempts of a connection together, or off.")
    var connectDeadline = Switchable(defaults.connect.map(WrittenDuration.init))

    @Option(.durationOrOff(), "For a connection on which nothing moves in either direction, or off.")
    var idleTimeout = Switchable(defaults.idle.map(WrittenDuration.init))

    @Option(
        .durationOrOff(),
        "For a connection of which one direction has ended and on whose other nothing moves, or off."
    )
    var halfCloseTimeout = Switchable(defaults.halfClose.map(WrittenDuration.init))

    @Option(.durationOrOff(), "For a connection in all, however busy, or off.")
    var lifetime = Switchable(defaults.lifetime.map(WrittenDuration.init))

    @Option(.durationOrOff(), "How often the upstream's host name is resolved again; off resolves it once.")
    var resolveInterval = Switchable(Configuration().resolveInterval.map(WrittenDuration.init))

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
