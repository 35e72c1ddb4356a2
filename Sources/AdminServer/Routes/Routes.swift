import HTTPTypes
import Hummingbird
import TCPProxy

/// The routes of the endpoint.
struct Routes: Sendable {
    let source: any AdminSource
    let version: String
    var control: (any AdminControl)?
    var token: AdminToken?
    var origin = RequestOrigin(names: [])

    private static let reading = ["/metrics", "/clients", "/pools", "/healthz", "/readyz"]

    func responder() -> some HTTPResponder<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self, options: .autoGenerateHeadEndpoints)
        if let token { router.add(middleware: TokenAuthentication(token: token)) }
        if let control {
            let reading = Self.reading + ControlRoutes.reading
            router.add(middleware: UnroutedRequests(reading: reading, changing: ControlRoutes.changing))
            router.add(middleware: OriginValidation(origin: origin, paths: ControlRoutes.changing))
            ControlRoutes(control: control).add(to: router)
        } else {
            router.add(middleware: UnroutedRequests(reading: Self.reading))
        }
        router.get("/metrics") { request, _ in metrics(format: request.uri.queryParameters["format"]) }
        router.get("/clients") { _, _ in await clients() }
        router.get("/pools") { _, _ in pools() }
        router.get("/healthz") { _, _ in Response.text(.ok, "ok\n") }
        router.get("/readyz") { _, _ in ready() }
        return router.buildResponder()
    }

    private func metrics(format: Substring?) -> Response {
        let reloads = control?.reloads
        let page = MetricsResponse(snapshot: source.snapshot(), pools: poolsPage, reloads: reloads, version: version)
        switch format {
        case nil, "text":
            return .text(.ok, page.prometheus, type: "text/plain; version=0.0.4; charset=utf-8")
        case "json":
            return .text(.ok, page.json, type: "application/json")
        case .some:
            return .text(.badRequest, "invalid format: must be text or json\n")
        }
    }

    private func clients() async -> Response {
        .text(.ok, ClientsResponse(snapshot: await source.clients()).json, type: "application/json")
    }

    private var poolsPage: PoolsResponse? {
        source.pools().map { PoolsResponse(listeners: $0.listeners, pools: $0.pools) }
    }

    private func pools() -> Response {
        .text(.ok, (poolsPage ?? PoolsResponse(listeners: [], pools: [])).json, type: "application/json")
    }

    private func ready() -> Response {
        source.isReady ? .text(.ok, "ready\n") : .text(.serviceUnavailable, "not ready\n")
    }
}

/// Responds to requests without a route: 405 if the path exists for other methods, 404 if it does not exist.
private struct UnroutedRequests: RouterMiddleware {
    /// The paths for GET and HEAD.
    let reading: [String]
    /// The paths for POST.
    var changing: [String] = []

    func handle(
        _ request: Request,
        context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            let response = rejection(of: request)
            return request.method == .head ? response.createHeadResponse() : response
        }
    }

    private func rejection(of request: Request) -> Response {
        if request.isFor(reading) { return Self.rejection("use GET or HEAD\n", allowing: "GET, HEAD") }
        if request.isFor(changing) { return Self.rejection("use POST\n", allowing: "POST") }
        return .text(.notFound, "not found: the paths are \((reading + changing).joined(separator: ", "))\n")
    }

    private static func rejection(_ text: String, allowing methods: String) -> Response {
        var response = Response.text(.methodNotAllowed, text)
        response.headers[.allow] = methods
        return response
    }
}

extension Request {
    /// Returns whether the path is one of `paths`; the router treats "/metrics/" as "/metrics".
    func isFor(_ paths: [String]) -> Bool {
        paths.contains { $0.split(separator: "/") == uri.path.split(separator: "/") }
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
