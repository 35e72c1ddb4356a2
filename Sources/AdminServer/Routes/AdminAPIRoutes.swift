import HTTPTypes
import Hummingbird
import Sockets
import TCPProxy
import ValueFormats

/// The control operations by path. docs/control.md describes each.
///
/// All parameters are in the query: server names contain colons and slashes, and a body would need a format of its own.
struct ControlRoutes: Sendable {
    let control: any AdminControl

    /// The paths by method: GET and HEAD, or POST.
    static let reading = ["/connections"]
    static let changing = [
        "/connections/close", "/servers/enable", "/servers/drain", "/servers/disable", "/servers/weight",
        "/config/reload",
    ]
    /// Default number of connections in a response.
    static let defaultLimit = 100

    func add(to router: Router<BasicRequestContext>) {
        router.get("/connections") { request, _ in await connections(request) }
        router.post("/connections/close") { request, _ in await closeConnections(request) }
        router.post("/servers/enable") { request, _ in await setAdminState(.enabled, request) }
        router.post("/servers/drain") { request, _ in await setAdminState(.draining, request) }
        router.post("/servers/disable") { request, _ in await setAdminState(.disabled, request) }
        router.post("/servers/weight") { request, _ in await weight(request) }
        router.post("/config/reload") { _, _ in await reload() }
    }

    // MARK: Servers

    private func setAdminState(_ state: ServerAdminState, _ request: Request) async -> Response {
        await change(request) { server, pool throws(AdminRequestError) in
            try await control.setAdminState(state, server: server, pool: pool)
        }
    }

    /// Calls `change` with the server and the pool that the query names.
    private func change(
        _ request: Request,
        otherParameters: [String] = [],
        by change: (_ server: String, _ pool: String) async throws(AdminRequestError) -> Void
    ) async -> Response {
        do throws(AdminRequestError) {
            let query = try Query(request, allowed: ["pool", "server"] + otherParameters)
            let (pool, server) = (try query.required("pool"), try query.required("server"))
            do throws(AdminRequestError) {
                try await change(server, pool)
            } catch {
                return .text(.notFound, "\(error.text)\n")
            }
            return .text(.ok, "done\n")
        } catch {
            return .text(.badRequest, "\(error.text)\n")
        }
    }

    private func weight(_ request: Request) async -> Response {
        let name = "weight"
        do throws(AdminRequestError) {
            let text = try Query(request, allowed: ["pool", "server", name]).required(name)
            let weight = text == "configured" ? nil : Int(text)
            guard text == "configured" || weight.map((0...256).contains) ?? false else {
                throw AdminRequestError("invalid weight: must be 0 to 256, or configured")
            }
            return await change(request, otherParameters: [name]) { server, pool throws(AdminRequestError) in
                try await control.setWeight(weight, server: server, pool: pool)
            }
        } catch {
            return .text(.badRequest, "\(error.text)\n")
        }
    }

    // MARK: Connections

    private func connections(_ request: Request) async -> Response {
        do throws(AdminRequestError) {
            let query = try Query(request, allowed: Self.filters + ["limit"])
            let most = ConnectionsSnapshot.limit
            let limit = try query.number("limit", in: 1...most) ?? Self.defaultLimit
            let snapshot = await control.connections(try query.filter(), limit: limit)
            return .text(.ok, ConnectionsResponse(snapshot: snapshot).json, type: "application/json")
        } catch {
            return .text(.badRequest, "\(error.text)\n")
        }
    }

    private func closeConnections(_ request: Request) async -> Response {
        do throws(AdminRequestError) {
            let filter = try Query(request, allowed: Self.filters).filter()
            guard filter != ConnectionFilter() else {
                throw AdminRequestError("no filter: use one or more of \(Self.filters.joined(separator: ", "))")
            }
            return .text(
                .ok,
                JSONValue.object(["closed": .integer(await control.closeConnections(filter))]).line,
                type: "application/json"
            )
        } catch {
            return .text(.badRequest, "\(error.text)\n")
        }
    }

    private static let filters = ["id", "client", "listener", "pool", "server"]

    // MARK: Configuration

    private func reload() async -> Response {
        switch await control.reload() {
        case nil:
            return .text(.notFound, "no configuration file: start the proxy with monkey run\n")
        case .applied(let changes, let connections):
            let answer = JSONValue.object([
                "reloaded": .boolean(true), "changes": .array(changes.map { .string($0) }),
                "connections_affected": .integer(connections),
            ])
            return .text(.ok, answer.line, type: "application/json")
        case .rejected(let errors):
            let answer = JSONValue.object([
                "reloaded": .boolean(false), "errors": .array(errors.map { .string($0) }),
            ])
            return .text(.unprocessableContent, answer.line, type: "application/json")
        }
    }
}

/// The query parameters of a request.
private struct Query {
    private var values: [String: String] = [:]

    init(_ request: Request, allowed: [String]) throws(AdminRequestError) {
        for (name, value) in request.uri.queryParameters {
            guard allowed.contains(String(name)) else {
                throw AdminRequestError(
                    "unknown parameter '\(name)': must be one of \(allowed.joined(separator: ", "))"
                )
            }
            guard values.updateValue(String(value), forKey: String(name)) == nil else {
                throw AdminRequestError("'\(name)' is given twice")
            }
        }
    }

    func required(_ name: String) throws(AdminRequestError) -> String {
        guard let value = values[name], !value.isEmpty else {
            throw AdminRequestError("\(name) is missing: add it to the query, as in ?\(name)=...")
        }
        return value
    }

    func number(_ name: String, in range: ClosedRange<Int>) throws(AdminRequestError) -> Int? {
        guard let text = values[name] else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw AdminRequestError("invalid \(name): must be \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func filter() throws(AdminRequestError) -> ConnectionFilter {
        var filter = ConnectionFilter()
        if let text = values["id"] {
            guard let id = ConnectionID(text) else {
                throw AdminRequestError("invalid id: must have the form used by /connections, such as 0.17")
            }
            filter.id = id
        }
        if let text = values["client"] { filter.client = try client(text) }
        filter.listener = values["listener"]
        filter.pool = values["pool"]
        filter.server = values["server"]
        return filter
    }

    /// Parses an address without a port, the format of clients in the responses.
    private func client(_ text: String) throws(AdminRequestError) -> PeerAddress {
        if text == "unix" { return .unix }
        let written = text.contains(":") && !text.hasPrefix("[") ? "[\(text)]:0" : "\(text):0"
        guard case .socket(.internet(let address)) = try? ServiceAddress(parsing: written) else {
            throw AdminRequestError("invalid client: must be an address without a port, such as 192.0.2.1, or unix")
        }
        return .internet(address)
    }
}
