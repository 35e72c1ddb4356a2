import HTTPTypes
import Hummingbird

/// Rejects requests without the token, if one is configured. Health probes need no token.
struct TokenAuthentication: RouterMiddleware {
    let token: AdminToken
    static let open = ["/healthz", "/readyz"]

    func handle(
        _ request: Request,
        context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        guard !Self.open.contains(request.uri.path), !token.isShown(by: request.headers[.authorization]) else {
            return try await next(request, context)
        }
        var response = Response.text(.unauthorized, "missing or invalid token: send Authorization: Bearer TOKEN\n")
        response.headers[.wwwAuthenticate] = "Bearer realm=\"monkey\""
        return request.method == .head ? response.createHeadResponse() : response
    }
}

/// Rejects state-changing requests from a foreign origin.
struct OriginValidation: RouterMiddleware {
    let origin: RequestOrigin
    let paths: [String]

    func handle(
        _ request: Request,
        context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        guard request.isFor(paths) else { return try await next(request, context) }
        let rejection = origin.rejection(
            host: request.head.authority ?? request.headers[values: HTTPField.Name("Host")!].first,
            origin: request.headers[.origin],
            site: request.headers[HTTPField.Name("Sec-Fetch-Site")!]
        )
        guard let rejection else { return try await next(request, context) }
        return .text(.forbidden, "\(rejection)\n")
    }
}
