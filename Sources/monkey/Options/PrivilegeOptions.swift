import ArgumentParser
import LoadBalancer

/// Options for the user and group to which a process started as root changes, and for its PID file.
struct PrivilegeOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Option(ConfigurationFile.Settings.user, named: "user")
    var user: String?

    @Option(ConfigurationFile.Settings.group, named: "group")
    var group: String?

    @Option(ConfigurationFile.Settings.pidFile, named: "file")
    var pidFile: String?
}
