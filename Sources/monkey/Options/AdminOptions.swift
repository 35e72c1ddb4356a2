import ArgumentParser
import LoadBalancer
import Sockets
import TCPProxy

/// Options for the admin endpoint, and for events and totals on standard output.
struct AdminOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    private typealias Settings = ConfigurationFile.Settings

    @Option(Settings.admin, alias: "metrics", .address, default: Settings.admin.defaultValue)
    var admin: Switchable<ServiceAddress>

    @Flag(Settings.events)
    var events: Bool

    @Option(Settings.summary)
    var summary: Switchable<DurationValue>?

    var summaryInterval: SummaryInterval { SummaryInterval(summary.map { $0.value?.duration }) }
}
