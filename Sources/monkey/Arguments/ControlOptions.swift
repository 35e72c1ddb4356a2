import ArgumentParser

/// Who may change what over HTTP.
struct ControlOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A file with the token that the HTTP address asks for, as Authorization: Bearer TOKEN.",
            valueName: "file"
        )
    )
    var adminTokenFile: String?

    @Flag(
        inversion: .prefixedNo,
        help: "Whether servers can be drained and connections cut over HTTP, as docs/control.md says."
    )
    var control = true
}
