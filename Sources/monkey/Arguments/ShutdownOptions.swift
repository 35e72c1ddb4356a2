import ArgumentParser
import TCPProxy

/// Options for the shutdown, from the first signal to the exit.
struct ShutdownOptions: ParsableArguments {
    @Option(.duration(), "How long running connections may go on to their own end, before what is left is reset.")
    var grace = WrittenDuration(Configuration().grace)

    @Option(.duration(), "How long new connections are still accepted while /readyz already fails.")
    var drainDelay = WrittenDuration(Configuration().drainDelay)

    func apply(to configuration: inout Configuration) {
        configuration.grace = grace.duration
        configuration.drainDelay = drainDelay.duration
    }
}
