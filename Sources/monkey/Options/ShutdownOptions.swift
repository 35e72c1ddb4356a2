import ArgumentParser
import TCPProxy

/// Options for the shutdown, from the first signal to the exit.
struct ShutdownOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Option(ProxyConfiguration.Settings.grace)
    var grace: DurationValue

    @Option(ProxyConfiguration.Settings.drainDelay)
    var drainDelay: DurationValue

    func apply(to configuration: inout ProxyConfiguration) {
        configuration.grace = grace.duration
        configuration.drainDelay = drainDelay.duration
    }
}
