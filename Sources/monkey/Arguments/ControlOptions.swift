import ArgumentParser

/// Options of the control operations of the HTTP endpoint.
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
