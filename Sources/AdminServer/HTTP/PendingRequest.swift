import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// A request that waits for its response, and the connection to write that to.
struct PendingRequest: Sendable {
    let request: Request
    /// Whether the client sends a body with it, all of which is dropped.
    let hasBody: Bool
    let channel: any Channel

    /// Answers it. Ends when the response is handed to the system, or the connection is gone.
    func answer(by responder: some HTTPResponder<BasicRequestContext>, logger: Logger) async {
        guard channel.isActive else { return }
        var response = await response(by: responder, logger: logger)
        response.headers[.date] = Timestamp.now.httpDate
        logger.debug("\(request.method) \(request.uri.path): \(response.status)")
        do {
            channel.write(HTTPServerResponsePart.head(HTTPResponseHead(response.head)), promise: nil)
            try await response.body.write(ResponseWriter(channel: channel))
        } catch {
            // The connection is gone already, or the body broke off: then it must not look like a whole one.
            channel.close(promise: nil)
        }
    }

    private func response(by responder: some HTTPResponder<BasicRequestContext>, logger: Logger) async -> Response {
        let context = BasicRequestContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
        // What may change something is not begun with a part of what was asked for.
        if hasBody, request.method == .post, request.isFor(ControlRoutes.changing) { return tooLarge }
        do {
            let response = try await responder.respond(to: request, context: context)
            // A path may ignore a body, but to say that all is well would hide that it was dropped.
            if hasBody, response.status.kind == .successful {
                return tooLarge
            }
            return response
        } catch {
            logger.error("cannot answer \(request.method) \(request.uri.path): \(error)")
            return Response(status: .internalServerError)
        }
    }

    private var tooLarge: Response {
        .text(.contentTooLarge, "\(request.uri.path) takes no body: send the request without one\n")
    }
}

/// Writes a body to a connection, no faster than it is taken.
private struct ResponseWriter: ResponseBodyWriter {
    let channel: any Channel

    func write(_ buffer: ByteBuffer) async throws {
        try await channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(buffer)))
    }

    consuming func finish(_ trailers: HTTPFields?) async throws {
        try await channel.writeAndFlush(HTTPServerResponsePart.end(nil))
    }
}
