import ArgumentParser
import Sockets

/// Options for the user and group to which a process started as root changes.
struct OwnerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "User, by name or number, that the process switches to after binding its sockets, before it serves clients.",
            valueName: "user"
        )
    )
    var user: String?

    @Option(help: ArgumentHelp("The group. (default: the user's own)", valueName: "group"))
    var group: String?
}
