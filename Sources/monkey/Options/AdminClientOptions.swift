import AdminServer
import ArgumentParser
import LoadBalancer
import Sockets

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
        let client = try client()
        let response: AdminClient.Response
        do throws(AdminClientError) {
            response = try await request(client)
        } catch {
            throw CommandError(error.description)
        }
        guard response.isSuccess else { throw CommandError(Self.message(of: response)) }
        return response.body
    }

    private static func message(of response: AdminClient.Response) -> String {
        if let errors = ReloadResponse(parsing: response.body)?.errors { return errors.joined(separator: " ") }
        if response.status == 401 { return "the proxy requires a token: add --admin-token-file FILE" }
        let text = response.body.split(separator: "\n").joined(separator: " ")
        return text.isEmpty ? "the proxy responded with status \(response.status)" : text
    }
}
