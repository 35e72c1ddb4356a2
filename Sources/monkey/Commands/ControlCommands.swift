import ArgumentParser

// The commands that change a running proxy through its admin address. docs/control.md describes the requests.

/// The server that a command changes, and the proxy.
struct ServerArguments: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Argument(CommandLineSettings.pool, named: "pool")
    var pool: String

    @Argument(CommandLineSettings.server, named: "server")
    var server: String

    /// Sends the request, and prints a line that says what has changed.
    func change(
        _ path: String,
        query: [(String, String)] = [],
        of admin: AdminClientOptions,
        to state: String
    ) async throws {
        _ = try await admin.post(path, query: [("pool", pool), ("server", server)] + query)
        print(admin.json ? #"{"done":true}"# : "Server \(server) of pool \(pool) \(state)")
    }
}

/// The `monkey drain` command.
struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Send no new connections to a server; existing ones continue.",
        discussion: "Example: monkey drain db 10.0.0.2:5432"
    )

    @OptionGroup var target: ServerArguments

    @OptionGroup var admin: AdminClientOptions

    func run() async throws { try await target.change("/servers/drain", of: admin, to: "is draining") }
}

/// The `monkey disable` command.
struct DisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "Send no new connections to a server, and reset the existing ones.",
        discussion: "Example: monkey disable db 10.0.0.2:5432"
    )

    @OptionGroup var target: ServerArguments

    @OptionGroup var admin: AdminClientOptions

    func run() async throws { try await target.change("/servers/disable", of: admin, to: "is disabled") }
}

/// The `monkey enable` command.
struct EnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "End the drain or disabled state of a server.",
        discussion: "Example: monkey enable db 10.0.0.2:5432"
    )

    @OptionGroup var target: ServerArguments

    @OptionGroup var admin: AdminClientOptions

    func run() async throws { try await target.change("/servers/enable", of: admin, to: "is enabled") }
}

/// The `monkey weight` command.
struct WeightCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weight",
        abstract: "Override the weight of a server.",
        discussion: """
            Examples:
              monkey weight db 10.0.0.2:5432 3
              monkey weight db 10.0.0.2:5432 configured
            """
    )

    @OptionGroup var target: ServerArguments

    @Argument(CommandLineSettings.weight, named: "weight")
    var weight: String

    @OptionGroup var admin: AdminClientOptions

    func run() async throws {
        try await target.change(
            "/servers/weight",
            query: [("weight", weight)],
            of: admin,
            to: weight == "configured" ? "has its configured weight" : "has the weight \(weight)"
        )
    }
}

/// The `monkey close` command.
struct CloseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "close",
        abstract: "Reset the connections that match all given filters.",
        discussion: """
            Examples:
              monkey close --client 192.0.2.1
              monkey close --pool db --server 10.0.0.2:5432
            """
    )

    @Option(CommandLineSettings.closedClient, named: "address")
    var client: String?

    @Option(CommandLineSettings.closedListener, named: "name")
    var listener: String?

    @Option(CommandLineSettings.closedPool, named: "name")
    var pool: String?

    @Option(CommandLineSettings.closedServer, named: "name")
    var server: String?

    @Option(CommandLineSettings.closedID, named: "id")
    var id: String?

    @OptionGroup var admin: AdminClientOptions

    private var filters: [(String, String)] {
        [("client", client), ("listener", listener), ("pool", pool), ("server", server), ("id", id)]
            .compactMap { name, value in value.map { (name, $0) } }
    }

    func validate() throws {
        if filters.isEmpty {
            throw ValidationError("no filter: use one or more of --client, --listener, --pool, --server, --id")
        }
    }

    func run() async throws {
        let body = try await admin.post("/connections/close", query: filters)
        if admin.json { return print(body, terminator: "") }
        guard let response = ClosedResponse(parsing: body) else { throw CommandError.notAProxy(admin.admin) }
        print("\(response.closed) connection\(response.closed == 1 ? "" : "s") closed")
    }
}

/// The `monkey reload` command.
struct ReloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Reload the configuration file of a running proxy.",
        discussion: "Prints what has changed. If the file has errors, nothing changes, and they are printed."
    )

    @OptionGroup var admin: AdminClientOptions

    func run() async throws {
        let body = try await admin.post("/config/reload")
        if admin.json { return print(body, terminator: "") }
        guard let response = ReloadResponse(parsing: body) else { throw CommandError.notAProxy(admin.admin) }
        for change in response.changes ?? [] { print(change) }
        if response.changes?.isEmpty ?? true { print("Nothing has changed") }
    }
}
