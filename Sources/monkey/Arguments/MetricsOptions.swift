import ArgumentParser
import Sockets

/// Options for metrics.
struct MetricsOptions: ParsableArguments {
    @Option(.addressOrOff, "Where /metrics, /clients, /pools, /healthz and /readyz are served over HTTP, or off.")
    var metrics: Switchable<ServiceAddress> = .on(.loopback(port: 8998))

    @Flag(help: "Write a line for each event of a connection to standard output.")
    var events = false

    @Option(.durationOrOff(), "How often the totals are written to standard output, or off.")
    var summary: Switchable<WrittenDuration> = .on(WrittenDuration(.seconds(10)))
}
