import ArgumentParser
import TCPProxy

/// Options for the shutdown, from the first signal to the exit.
struct ShutdownOptions: ParsableArguments {
    @Option(.duration(), "Time in which existing connections may complete before the remaining ones are reset.")
    var grace = DurationValue(ProxyConfiguration().grace)

    @Option(.duration(), "Time for which new connections are still accepted while /readyz already fails.")
    var drainDelay = DurationValue(ProxyConfiguration().drainDelay)

    func apply(to configuration: inout ProxyConfiguration) {
        configuration.grace = grace.duration
        configuration.drainDelay = drainDelay.duration
    }
}
