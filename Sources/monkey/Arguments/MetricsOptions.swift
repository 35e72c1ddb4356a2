import ArgumentParser
import Sockets

/// Options for metrics.
struct MetricsOptions: ParsableArguments {
    @Option(.addressOrOff, "HTTP address of /metrics, /clients, /pools, /healthz and /readyz, or off.")
    var metrics: Switchable<ServiceAddress> = .on(.loopback(port: 8998))

    @Flag(help: "Print a line for each connection event to standard output.")
    var events = false

    @Option(.durationOrOff(), "Interval between lines with the totals on standard output, or off.")
    var summary: Switchable<WrittenDuration> = .on(WrittenDuration(.seconds(10)))
}
