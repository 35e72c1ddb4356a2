import ArgumentParser
import Sockets

/// Options for the admin endpoint, and for events and totals on standard output.
struct AdminOptions: ParsableArguments {
    @Option(
        name: [.customLong("admin"), .customLong("metrics")],
        .addressOrOff,
        "HTTP address of /metrics, /clients, /pools, /healthz and /readyz, or off."
    )
    var admin: Switchable<ServiceAddress> = .on(.loopback(port: 8998))

    @Flag(help: "Print a line for each connection event to standard output.")
    var events = false

    @Option(.durationOrOff(), "Interval between lines with the totals on standard output, or off.")
    var summary: Switchable<DurationValue> = .on(DurationValue(.seconds(10)))
}
