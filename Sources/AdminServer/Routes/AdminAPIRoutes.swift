import NIOHTTP1
import Sockets
import TCPProxy
import ValueFormats

/// The control operations by path. docs/control.md describes each.
///
/// All parameters are in the query: server names contain colons and slashes, and a body would need a format of its own.
struct ControlRoutes: Sendable {
    let control: any AdminControl

    /// Default number of connections in a response.
    static let defaultLimit = 100

    var routes: [Route] {
        [
            .get("/connections") { await connections($0) },
            .post("/connections/close") { await closeConnections($0) },
            .post("/servers/enable") { await setAdminState(.enabled, $0) },
            .post("/servers/drain") { await setAdminState(.draining, $0) },
            .post("/servers/disable") { await setAdminState(.disabled, $0) },
            .post("/servers/weight") { await weight($0) },
            .post("/servers/rebalance") { await rebalance($0) },
            .post("/config/reload") { _ in await reload() },
        ]
    }

    // MARK: Servers

    private func setAdminState(_ state: ServerAdminState, _ request: AdminRequest) async -> AdminResponse {
        await change(request) { server, pool throws(AdminRequestError) in
            try await control.setAdminState(state, server: server, pool: pool)
        }
    }

    /// Calls `change` with the server and the pool that the query names.
    private func change(
        _ request: AdminRequest,
        otherParameters: [String] = [],
        by change: (_ server: String, _ pool: String) async throws(AdminRequestError) -> Void
    ) async -> AdminResponse {
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

    private func weight(_ request: AdminRequest) async -> AdminResponse {
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

    private func rebalance(_ request: AdminRequest) async -> AdminResponse {
        do throws(AdminRequestError) {
            let query = try Query(request, allowed: ["pool", "server", "share"])
            let (pool, server) = (try query.required("pool"), try query.required("server"))
            let text = try query.required("share")
            let digits = text.hasSuffix("%") ? text.dropLast() : text[...]
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let percent = Int(digits),
                (1...100).contains(percent)
            else { throw AdminRequestError("invalid share: must be a percentage from 1 to 100, such as 20") }
            do throws(AdminRequestError) {
                let closed = try await control.rebalance(percent, server: server, pool: pool)
                let answer = JSONValue.object(["closed": .integer(closed)])
                return .text(.ok, answer.line, type: "application/json")
            } catch {
                return .text(.notFound, "\(error.text)\n")
            }
        } catch {
            return .text(.badRequest, "\(error.text)\n")
        }
    }

    // MARK: Connections

    private func connections(_ request: AdminRequest) async -> AdminResponse {
        do throws(AdminRequestError) {
            let query = try Query(request, allowed: Self.filters + ["limit"])
            let limit = try query.number("limit", in: 1...ConnectionsSnapshot.limit) ?? Self.defaultLimit
            let snapshot = await control.connections(try query.filter(), limit: limit)
            return .json(.ok, ConnectionsResponse(snapshot: snapshot).json)
        } catch {
            return .text(.badRequest, "\(error.text)\n")
        }
    }

    private func closeConnections(_ request: AdminRequest) async -> AdminResponse {
        do throws(AdminRequestError) {
            let filter = try Query(request, allowed: Self.filters).filter()
            guard filter != ConnectionFilter() else {
                throw AdminRequestError("no filter: use one or more of \(Self.filters.joined(separator: ", "))")
            }
            let closed = await control.closeConnections(filter)
            return .json(.ok, JSONValue.object(["closed": .integer(closed)]).line)
        } catch {
            return .text(.badRequest, "\(error.text)\n")
        }
    }

    private static let filters = ["id", "client", "listener", "pool", "server"]

    // MARK: Configuration

    private func reload() async -> AdminResponse {
        switch await control.reload() {
        case nil:
            return .text(.notFound, "no configuration file: start the proxy with monkey run\n")
        case .applied(let changes, let connections):
            let answer = JSONValue.object([
                "reloaded": .boolean(true), "changes": .array(changes.map { .string($0) }),
                "connections_affected": .integer(connections),
            ])
            return .json(.ok, answer.line)
        case .rejected(let errors):
            let answer = JSONValue.object([
                "reloaded": .boolean(false), "errors": .array(errors.map { .string($0) }),
            ])
            return .json(.unprocessableEntity, answer.line)
        }
    }
}

/// The query parameters of a request.
private struct Query {
    private var values: [String: String] = [:]

    init(_ request: AdminRequest, allowed: [String]) throws(AdminRequestError) {
        for (name, value) in try request.parameters() {
            guard allowed.contains(name) else {
                throw AdminRequestError(
                    "unknown parameter '\(name)': must be one of \(allowed.joined(separator: ", "))"
                )
            }
            guard values.updateValue(value, forKey: name) == nil else {
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
