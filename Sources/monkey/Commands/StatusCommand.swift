import ArgumentParser

/// The `monkey status` command.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the listeners, pools and servers of a running proxy.",
        discussion: """
            Examples:
              monkey status
              monkey status unix:/run/monkey/admin.sock --json
            """
    )

    @OptionGroup var admin: AdminClientOptions

    func run() async throws {
        let pools = try await admin.get("/pools")
        if admin.json { return print(pools, terminator: "") }
        let totals = try await admin.get("/metrics", query: [("format", "json")])
        guard let pools = PoolListResponse(parsing: pools), let totals = TotalsResponse(parsing: totals) else {
            throw CommandError.notAProxy(admin.admin)
        }
        let isReady = try await admin.isReady()
        StatusReport(totals: totals, pools: pools, isReady: isReady).lines.forEach { print($0) }
    }
}
