import NIOHTTP1

/// A path of the endpoint, and the function that computes its response.
struct Route: Sendable {
    enum Kind {
        /// GET and HEAD.
        case read
        /// POST: the request changes state.
        case change
    }

    enum Handler: Sendable {
        /// Called on the thread of the connections, so that no other request can delay it.
        case immediate(@Sendable () -> AdminResponse)
        /// Called in a task.
        case computed(@Sendable (AdminRequest) async -> AdminResponse)
    }

    let kind: Kind
    let path: String
    /// Whether the request must contain the token, if one is configured.
    var needsToken = true
    let handler: Handler

    static func get(_ path: String, _ handler: @escaping @Sendable (AdminRequest) async -> AdminResponse) -> Route {
        Route(kind: .read, path: path, handler: .computed(handler))
    }

    static func post(_ path: String, _ handler: @escaping @Sendable (AdminRequest) async -> AdminResponse) -> Route {
        Route(kind: .change, path: path, handler: .computed(handler))
    }

    /// Returns a health probe, which needs no token.
    static func probe(_ path: String, _ handler: @escaping @Sendable () -> AdminResponse) -> Route {
        Route(kind: .read, path: path, needsToken: false, handler: .immediate(handler))
    }
}

/// All routes of the endpoint, and the checks that precede them: the token, the path, the method, the origin and the
/// body.
struct RouteTable: Sendable {
    /// What to do with a request.
    enum Decision: Sendable {
        case respond(AdminResponse)
        case compute(@Sendable () async -> AdminResponse)
    }

    let routes: [Route]
    /// The token that clients must send; nil requires none.
    var token: AdminToken?
    /// Validates the origin of requests that change state.
    var origin = RequestOrigin(names: [])

    /// Decides on a request without waiting.
    func decision(on request: AdminRequest) -> Decision {
        // "/metrics/" is the same as "/metrics".
        let path = request.path.split(separator: "/")
        let route = routes.first { $0.path.split(separator: "/") == path }
        if let token, route?.needsToken ?? true, !token.isShown(by: request.headers.first(name: "authorization")) {
            return .respond(Self.unauthorized)
        }
        guard let route else {
            let paths = routes.filter { $0.kind == .read } + routes.filter { $0.kind == .change }
            return .respond(
                .text(.notFound, "not found: the paths are \(paths.map(\.path).joined(separator: ", "))\n")
            )
        }
        if let rejection = rejection(of: request, by: route) { return .respond(rejection) }
        switch route.handler {
        case .immediate(let respond): return .respond(respond())
        case .computed(let respond): return .compute { await respond(request) }
        }
    }

    private func rejection(of request: AdminRequest, by route: Route) -> AdminResponse? {
        switch route.kind {
        case .read where request.method != .GET && request.method != .HEAD:
            return Self.methodNotAllowed("use GET or HEAD\n", allowing: "GET, HEAD")
        case .change where request.method != .POST:
            return Self.methodNotAllowed("use POST\n", allowing: "POST")
        case .read:
            break
        case .change:
            let reason = origin.rejection(
                host: request.host,
                origin: request.headers.first(name: "origin"),
                site: request.headers.first(name: "sec-fetch-site")
            )
            if let reason { return .text(.forbidden, "\(reason)\n") }
        }
        // A success response would hide that the body was discarded.
        guard request.hasBody else { return nil }
        return .text(.payloadTooLarge, "\(request.path) does not accept a body: send the request without one\n")
    }

    private static func methodNotAllowed(_ text: String, allowing methods: String) -> AdminResponse {
        var response = AdminResponse.text(.methodNotAllowed, text)
        response.headers.add(name: "allow", value: methods)
        return response
    }

    /// Ends the connection, so that a client without the token cannot hold one.
    private static let unauthorized: AdminResponse = {
        var response = AdminResponse.rejection(
            .unauthorized,
            "missing or invalid token: send Authorization: Bearer TOKEN\n"
        )
        response.headers.add(name: "www-authenticate", value: "Bearer realm=\"monkey\"")
        return response
    }()
}
