import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1
import ValueFormats

/// A request without a response yet, and the connection to write the response to.
struct PendingRequest: Sendable {
    let request: Request
    /// Whether the request has a body, which is discarded.
    let hasBody: Bool
    let channel: any Channel

    /// Computes and writes the response. Returns once the response is passed to the kernel or the connection is closed.
    func answer(by responder: some HTTPResponder<BasicRequestContext>, logger: Logger) async {
        guard channel.isActive else { return }
        var response = await response(by: responder, logger: logger)
        response.headers[.date] = Timestamp.now.httpDate
        logger.debug("\(request.method) \(request.uri.path): \(response.status)")
        do {
            channel.write(HTTPServerResponsePart.head(HTTPResponseHead(response.head)), promise: nil)
            try await response.body.write(ResponseWriter(channel: channel))
        } catch {
            // The connection is already closed, or the body is incomplete and must not look complete to the client.
            channel.close(promise: nil)
        }
    }

    private func response(by responder: some HTTPResponder<BasicRequestContext>, logger: Logger) async -> Response {
        let context = BasicRequestContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
        // A state-changing operation is not started if a part of its request was discarded.
        if hasBody, request.method == .post, request.isFor(ControlRoutes.changing) { return tooLarge }
        do {
            let response = try await responder.respond(to: request, context: context)
            // A success response would hide that the body was discarded.
            if hasBody, response.status.kind == .successful {
                return tooLarge
            }
            return response
        } catch {
            logger.error("cannot respond to \(request.method) \(request.uri.path): \(error)")
            return Response(status: .internalServerError)
        }
    }

    private var tooLarge: Response {
        .text(.contentTooLarge, "\(request.uri.path) does not accept a body: send the request without one\n")
    }
}

/// Writes a body to a connection at the rate at which the client receives it.
private struct ResponseWriter: ResponseBodyWriter {
    let channel: any Channel

    func write(_ buffer: ByteBuffer) async throws {
        try await channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(buffer)))
    }

    consuming func finish(_ trailers: HTTPFields?) async throws {
        try await channel.writeAndFlush(HTTPServerResponsePart.end(nil))
    }
}
