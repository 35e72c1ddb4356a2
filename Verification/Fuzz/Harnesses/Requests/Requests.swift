import Fuzzing
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import TCPProxy

@testable import AdminServer

@main
struct Requests {
    static func main() {
        Harness.main([Harness("requests", run: requests)])
    }

    /// Sends the bytes of one connection, in chunks whose length is given by the first byte, through the pipeline of
    /// the admin endpoint; each request is answered immediately, by its path alone.
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
            let connection = AdminConnection(channel, limits: limits)
            try AdminServer.configure(connection, limits: limits) { request in
                .compute { .text(.ok, request.path) }
            } submit: { request in
                waiting.requests.append(request)
                return true
            }
            try channel.connect(to: .init(unixDomainSocketPath: "/fuzz")).wait()
            while !rest.isEmpty, channel.isActive {
                // Malformed requests are answered by the pipeline itself.
                _ = try? channel.writeInbound(ByteBuffer(bytes: rest.prefix(length)))
                rest = rest.dropFirst(length)
                try waiting.answer(on: channel)
            }
            channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            try waiting.answer(on: channel)
        } catch {
            // The connection has been closed.
        }
        _ = try? channel.finish(acceptAlreadyClosed: true)
    }
}

/// Requests of one connection that await their response; confined to the single thread of the harness.
private final class Waiting: @unchecked Sendable {
    var requests: [PendingRequest] = []

    func answer(on channel: EmbeddedChannel) throws {
        while let request = requests.popLast() {
            // One at a time: the next request is delivered after the response to this one is written.
            precondition(requests.isEmpty, "two requests at the same time")
            let format = try? request.request.parameters().first { $0.name == "format" }
            request.deliver(.text(format == nil && request.request.path == "/metrics" ? .ok : .notFound, "text"))
            channel.embeddedEventLoop.run()
            while try channel.readOutbound(as: ByteBuffer.self) != nil {}
        }
    }
}
