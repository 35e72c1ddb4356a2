import Fuzzing
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypesHTTP1
import TCPProxy

@testable import AdminServer

@main
struct Requests {
    static func main() {
        Harness.main([Harness("requests", run: requests)])
    }

    /// The bytes of one connection, in pieces of a length that the first byte says, through the pipeline that the
    /// endpoint has; each request is answered at once, by its path alone.
    @Sendable
    static func requests(_ bytes: [UInt8]) {
        var rest = bytes[...]
        let length = Int(rest.popFirst() ?? 0) * 4 + 1
        let channel = EmbeddedChannel()
        var limits = AdminServer.Limits()
        limits.headerBytes = 1024
        limits.requestBytes = 4096
        limits.headerFields = 20
        let waiting = Waiting()
        do {
            try AdminServer.configure(channel, limits: limits) { request in
                waiting.requests.append(request)
                return true
            }
            try channel.connect(to: .init(unixDomainSocketPath: "/fuzz")).wait()
            while !rest.isEmpty, channel.isActive {
                // What cannot be understood is answered by the pipeline itself.
                _ = try? channel.writeInbound(ByteBuffer(bytes: rest.prefix(length)))
                rest = rest.dropFirst(length)
                try waiting.answer(on: channel)
            }
            channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            try waiting.answer(on: channel)
        } catch {
            // The connection was closed meanwhile.
        }
        _ = try? channel.finish(acceptAlreadyClosed: true)
    }
}

/// Requests of one connection that wait for their answer; all on the one thread that there is.
private final class Waiting: @unchecked Sendable {
    var requests: [PendingRequest] = []

    func answer(on channel: EmbeddedChannel) throws {
        while let request = requests.popLast() {
            // One at a time: the next is handed out when this one's answer is taken.
            precondition(requests.isEmpty, "two requests at once")
            let format = request.request.uri.queryParameters["format"]
            let status: HTTPResponseStatus = format == nil && request.request.uri.path == "/metrics" ? .ok : .notFound
            let head = HTTPResponseHead(version: .http1_1, status: status, headers: ["content-length": "0"])
            channel.write(HTTPServerResponsePart.head(head), promise: nil)
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
            while try channel.readOutbound(as: ByteBuffer.self) != nil {}
        }
    }
}
