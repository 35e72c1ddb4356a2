import ArgumentParser
import Sockets

/// Options for the user and group to which a process started as root changes.
struct OwnerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The user, by name or number, that root becomes when everything is bound and nobody is served yet.",
            valueName: "user"
        )
    )
    var user: String?

    @Option(help: ArgumentHelp("The group. (default: the user's own)", valueName: "group"))
    var group: String?
}
