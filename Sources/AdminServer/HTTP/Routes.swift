import HTTPTypes
import Hummingbird
import TCPProxy

/// What the endpoint answers, path by path.
struct Routes: Sendable {
    let source: any AdminSource
    let version: String

    func responder() -> some HTTPResponder<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: UnroutedRequests(paths: ["/metrics", "/clients", "/pools", "/healthz", "/readyz"]))
        // A path that changes something comes after a middleware, here, that checks the request's Host against our own
        // addresses and its Origin against its Host: else any web page could make its visitor's browser send it.
        router.get("/metrics") { request, _ in metrics(format: request.uri.queryParameters["format"]) }
        router.get("/clients") { _, _ in await clients() }
        router.get("/pools") { _, _ in pools() }
        router.get("/healthz") { _, _ in Response.text(.ok, "ok\n") }
        router.get("/readyz") { _, _ in ready() }
        return router.buildResponder()
    }

    private func metrics(format: Substring?) -> Response {
        let page = MetricsPage(snapshot: source.snapshot(), pools: poolsPage, version: version)
        switch format {
        case nil, "text":
            return .text(.ok, page.prometheus, type: "text/plain; version=0.0.4; charset=utf-8")
        case "json":
            return .text(.ok, page.json, type: "application/json")
        case .some:
            return .text(.badRequest, "the format is text or json\n")
        }
    }

    private func clients() async -> Response {
        .text(.ok, ClientsPage(snapshot: await source.clients()).json, type: "application/json")
    }

    private var poolsPage: PoolsPage? {
        source.pools().map { PoolsPage(listeners: $0.listeners, pools: $0.pools) }
    }

    private func pools() -> Response {
        .text(.ok, (poolsPage ?? PoolsPage(listeners: [], pools: [])).json, type: "application/json")
    }

    private func ready() -> Response {
        source.isReady ? .text(.ok, "ready\n") : .text(.serviceUnavailable, "not ready\n")
    }
}

/// Answers what no route has taken: 405 where the path is there for other methods, 404 where it is not.
private struct UnroutedRequests: RouterMiddleware {
    let paths: [String]

    func handle(
        _ request: Request,
        context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            let response = refusal(of: request)
            return request.method == .head ? response.createHeadResponse() : response
        }
    }

    private func refusal(of request: Request) -> Response {
        // The router takes "/metrics/" for "/metrics".
        let isKnown = paths.contains { $0.split(separator: "/") == request.uri.path.split(separator: "/") }
        guard isKnown else { return .text(.notFound, "not found; there are \(paths.joined(separator: ", "))\n") }
        var response = Response.text(.methodNotAllowed, "only GET and HEAD\n")
        response.headers[.allow] = "GET, HEAD"
        return response
    }
}

extension Response {
    static func text(
        _ status: HTTPResponse.Status,
        _ text: String,
        type: String = "text/plain; charset=utf-8"
    ) -> Response {
        Response(
            status: status,
            headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }
}
