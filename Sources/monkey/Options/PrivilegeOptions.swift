import ArgumentParser
import LoadBalancer

/// Options for the user and group to which a process started as root changes.
struct PrivilegeOptions: ParsableArguments {
    @Option(ConfigurationFile.Settings.user, named: "user")
    var user: String?

    @Option(ConfigurationFile.Settings.group, named: "group")
    var group: String?
}
