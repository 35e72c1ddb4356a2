import ArgumentParser
import TCPProxy

/// Options for the timeouts of the phases of a connection.
struct TimeoutOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    private typealias Settings = ListenerConfiguration.Settings

    @Option(Settings.connectTimeout)
    var connectTimeout: Switchable<DurationValue>

    @Option(Settings.connectDeadline)
    var connectDeadline: Switchable<DurationValue>

    @Option(Settings.idleTimeout)
    var idleTimeout: Switchable<DurationValue>

    @Option(Settings.halfCloseTimeout)
    var halfCloseTimeout: Switchable<DurationValue>

    @Option(Settings.halfClose, named: "effect")
    var halfClose: ListenerConfiguration.HalfClose

    @Option(Settings.lifetime)
    var lifetime: Switchable<DurationValue>

    @Option(Settings.lifetimeJitter, .percentage(Settings.lifetimeJitter.values.numbers))
    var lifetimeJitter = Percentage(value: ListenerConfiguration.Settings.lifetimeJitter.defaultValue)

    @Option(ProxyConfiguration.Settings.resolveInterval)
    var resolveInterval: Switchable<DurationValue>

    func apply(to listener: inout ListenerConfiguration) {
        listener.timeouts.connectAttempt = connectTimeout.value?.duration
        listener.timeouts.connect = connectDeadline.value?.duration
        listener.timeouts.idle = idleTimeout.value?.duration
        listener.timeouts.halfClose = halfCloseTimeout.value?.duration
        listener.halfClose = halfClose
        listener.timeouts.lifetimeJitter = lifetimeJitter.value
        listener.timeouts.lifetime = lifetime.value?.duration
    }

    func apply(to configuration: inout ProxyConfiguration) {
        configuration.resolveInterval = resolveInterval.value?.duration
    }
}
