package import ValueFormats

extension TLSAction {
    /// The definitions of the settings of a route.
    package enum Settings {
        package static let pool = SettingDescriptor("pool", .text(1...64), unset: "required")
            .help("Name of the pool that gets the clients of the route.")

        package static let tls = SettingDescriptor<TLSAction?>("tls", unset: "`terminate`")
            .allowed("`terminate`, `pass`")
            .help(
                "With `tls` of the listener: `terminate` decrypts the bytes of these clients, `pass` forwards them as they "
                    + "are to servers that have certificates of their own."
            )

        package static let certificate = SettingDescriptor<String?>("certificate", unset: "selected by name")
            .allowed("`certificate` of one of the `certificates` of the listener")
            .help("Certificate for the clients of the route.")
    }
}
