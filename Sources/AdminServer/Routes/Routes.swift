import NIOHTTP1
import TCPProxy

/// The routes that report on the proxy, and those of the admin API if there is one.
struct Routes: Sendable {
    let source: any AdminSource
    let version: String
    var control: (any AdminControl)?
    var token: AdminToken?
    var origin = RequestOrigin(names: [])

    var table: RouteTable {
        let reports: [Route] = [
            .get("/metrics") { request in metrics(request) },
            .get("/clients") { _ in await clients() },
            .get("/pools") { _ in pools() },
            .probe("/healthz") { .text(.ok, "ok\n") },
            .probe("/readyz") { ready() },
        ]
        let changes = control.map { ControlRoutes(control: $0).routes } ?? []
        return RouteTable(routes: reports + changes, token: token, origin: origin)
    }

    private func metrics(_ request: AdminRequest) -> AdminResponse {
        do throws(AdminRequestError) {
            let format = try request.parameters().first { $0.name == "format" }?.value
            guard format == nil || format == "text" || format == "json" else {
                throw AdminRequestError("invalid format: must be text or json")
            }
            let reloads = control?.reloads
            let page = MetricsResponse(
                snapshot: source.snapshot(),
                pools: poolsPage,
                certificates: source.certificates(),
                reloads: reloads,
                version: version
            )
            if format == "json" { return .json(.ok, page.json) }
            return .text(.ok, page.prometheus, type: "text/plain; version=0.0.4; charset=utf-8")
        } catch {
            return .text(.badRequest, "\(error.text)\n")
        }
    }

    private func clients() async -> AdminResponse {
        .json(.ok, ClientsResponse(snapshot: await source.clients()).json)
    }

    private var poolsPage: PoolsResponse? {
        source.pools().map { PoolsResponse(listeners: $0.listeners, pools: $0.pools) }
    }

    private func pools() -> AdminResponse {
        .json(.ok, (poolsPage ?? PoolsResponse(listeners: [], pools: [])).json)
    }

    private func ready() -> AdminResponse {
        source.isReady ? .text(.ok, "ready\n") : .text(.serviceUnavailable, "not ready\n")
    }
}
