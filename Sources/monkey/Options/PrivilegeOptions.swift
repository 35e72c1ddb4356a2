import ArgumentParser
import Sockets

/// Options for the user and group to which a process started as root changes.
struct PrivilegeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "User, by name or number, to which the process switches after binding its sockets, before serving clients.",
            valueName: "user"
        )
    )
    var user: String?

    @Option(help: ArgumentHelp("Group to switch to. (default: the user's primary group)", valueName: "group"))
    var group: String?
}
