package import Sockets
package import ValueFormats

extension PoolSettings {
    /// The definitions of the settings.
    package enum Settings {
        package static let check = SettingDescriptor<HealthCheck?>.orOff("check")
            .help("Health check of the servers.")

        package static let ejection = SettingDescriptor.flag("ejection", default: true)
            .defaultText("on, with the defaults below")
            .help("Ejection of servers to which connection attempts fail.")

        package static let slowStart = SettingDescriptor.durationOrOff("slow-start")
            .help("Time in which the weight of a server that came up grows to its full value.")

        package static let resolver = SettingDescriptor<InternetAddress?>(
            "resolver",
            unset: "the `resolver` of the file"
        )
        .allowed("`ip:port` or `[ipv6]:port`")
        .help("Name server that resolves the names of the pool's servers.")

        package static let onServerDown = SettingDescriptor.word("on-server-down", default: OnServerDown.keep)
            .help("Effect on existing connections when their server goes down: `close` resets them.")
    }
}
