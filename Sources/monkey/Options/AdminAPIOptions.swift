import ArgumentParser

/// Options of the control operations of the HTTP endpoint.
struct AdminAPIOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "File with the token that HTTP requests must present, as Authorization: Bearer TOKEN.",
            valueName: "file"
        )
    )
    var adminTokenFile: String?

    @Flag(
        name: .customLong("admin-api"),
        inversion: .prefixedNo,
        help: "Allow draining servers and closing connections over HTTP; see docs/control.md."
    )
    var adminAPI = true
}
