import AdminServer
import ArgumentParser
import LoadBalancer
import Sockets
import ValueFormats

/// The address of a running proxy's admin endpoint, and how its responses are printed.
struct AdminClientOptions: ReusedOptions {
    static let definition = Self(definition: ())

    init(definition: Void) {}

    @Argument(CommandLineSettings.adminAddress, .address)
    var admin: ServiceAddress = CommandLineSettings.adminAddress.defaultValue

    @Option(CommandLineSettings.adminClientTokenFile, named: "file")
    var adminTokenFile: String?

    @Flag(CommandLineSettings.jsonResponse)
    var json: Bool

    private func client() throws -> AdminClient {
        AdminClient(admin, token: try adminTokenFile.map(ProxyService.readToken))
    }

    /// Sends a GET request; returns the body of its response.
    ///
    /// - Throws: ``CommandError`` if there is none, or if it reports an error.
    func get(_ path: String, query: [(String, String)] = []) async throws -> String {
        try await body { client throws(AdminClientError) in try await client.get(path, query: query) }
    }

    /// Sends a POST request; returns the body of its response.
    ///
    /// - Throws: ``CommandError`` if there is none, or if it reports an error.
    func post(_ path: String, query: [(String, String)] = []) async throws -> String {
        try await body { client throws(AdminClientError) in try await client.post(path, query: query) }
    }

    private func body(
        of request: (AdminClient) async throws(AdminClientError) -> AdminClient.Response
    ) async throws -> String {
        let response = try await response(to: request)
        guard response.isSuccess else {
            // For a program, the response that says what is wrong.
            if json, response.body.hasPrefix("{") { print(response.body, terminator: "") }
            throw CommandError(message(of: response))
        }
        return response.body
    }

    private func response(
        to request: (AdminClient) async throws(AdminClientError) -> AdminClient.Response
    ) async throws -> AdminClient.Response {
        let client = try client()
        do throws(AdminClientError) {
            return try await request(client)
        } catch {
            throw CommandError(error.description)
        }
    }

    /// Whether the proxy accepts connections.
    func isReady() async throws -> Bool {
        try await response(to: { client throws(AdminClientError) in try await client.get("/readyz") }).isSuccess
    }

    private func message(of response: AdminClient.Response) -> String {
        if let errors = ReloadResponse(parsing: response.body)?.errors {
            return "the file was not reloaded: " + errors.joined(separator: "; ")
        }
        switch response.status {
        case 401 where adminTokenFile == nil: return "the proxy requires a token: add --admin-token-file FILE"
        case 401: return "the proxy requires another token: check --admin-token-file"
        case 404 where response.body.hasPrefix("not found: the paths are "):
            return
                "the proxy at \(admin) has no admin API: monkey run and monkey balance have one, unless it is switched off"
        default: break
        }
        let text = response.body.split(separator: "\n").joined(separator: " ")
        let isMessage = !text.isEmpty && !text.hasPrefix("<") && text.utf8.count <= Self.maxMessageBytes
        return isMessage
            ? text.onOneLine
            : "unexpected status \(response.status) from \(admin): check that it is the admin address of a proxy"
    }

    /// Maximum size in bytes of a message of a proxy.
    private static let maxMessageBytes = 4096
}
