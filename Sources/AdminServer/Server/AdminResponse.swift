import NIOHTTP1

/// A response whose body is complete.
struct AdminResponse: Sendable {
    var status: HTTPResponseStatus
    var headers: HTTPHeaders
    var body: String
    /// Whether the connection is closed after the response, even if the client would keep it.
    var closesConnection = false

    static func text(
        _ status: HTTPResponseStatus,
        _ text: String,
        type: String = "text/plain; charset=utf-8"
    ) -> AdminResponse {
        AdminResponse(status: status, headers: ["content-type": type], body: text)
    }

    static func json(_ status: HTTPResponseStatus, _ json: String) -> AdminResponse {
        .text(status, json, type: "application/json")
    }

    /// Returns the response to a request that cannot be routed; ends the connection.
    static func rejection(_ status: HTTPResponseStatus, _ text: String = "") -> AdminResponse {
        var response = text.isEmpty ? AdminResponse(status: status, headers: [:], body: "") : .text(status, text)
        response.closesConnection = true
        return response
    }
}
