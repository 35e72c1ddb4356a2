import Hummingbird
import NIOCore
import NIOExtras
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// Handler of one HTTP/1 connection: submits its requests one at a time and in order, and closes the connection.
///
/// SwiftNIO's own handler traps in debug builds on an unexpected response; a client must not be able to trigger that.
final class RequestHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        case waiting
        /// Until the last byte of the response is written to the socket.
        case answering
        /// The FIN is sent; waiting for the client's FIN. Closing with unread bytes of the client would send a reset,
        /// which could make the client lose the response (RFC 9112, 9.6).
        case lingering
    }

    private let budget: RequestBudget
    private let submit: @Sendable (PendingRequest) -> Bool
    private var phase = Phase.waiting
    /// Pipelined requests. Nothing is read while a response is pending, so one read bounds their number.
    private var ahead = CircularBuffer<HTTPRequestHead>()
    private var wantsRead = false
    private var keepAlive = true
    /// Whether no request follows the pipelined ones: the client has half-closed or sent an unparsable request, or the
    /// endpoint is stopping.
    private var noMoreRequests = false
    private var inputEnded = false

    /// - Parameter submit: queues a request for a response; returns false if the queue is full.
    init(budget: RequestBudget, submit: @escaping @Sendable (PendingRequest) -> Bool) {
        self.budget = budget
        self.submit = submit
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // No path takes a body, so bodies are discarded, complete or not.
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        switch phase {
        case .waiting: begin(head, context: context)
        case .answering: ahead.append(head)
        case .lingering: break
        }
    }

    func read(context: ChannelHandlerContext) {
        if phase == .answering {
            wantsRead = true
        } else {
            context.read()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case let error as HTTPParserError:
            noMoreRequests = true
            if phase == .waiting {
                refuse(error == .headerOverflow ? .requestHeaderFieldsTooLarge : .badRequest, context: context)
            }
        case is ByteToMessageDecoderError:
            // Bytes that follow an unparsable request.
            break
        default:
            context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            noMoreRequests = true
            inputEnded = true
            if phase != .answering { context.close(promise: nil) }
        case is ChannelShouldQuiesceEvent:
            noMoreRequests = true
            ahead.removeAll()
            if phase == .waiting { context.close(promise: nil) }
        default:
            break
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func begin(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        guard let converted = try? HTTPRequest(head, secure: false, splitCookie: false) else {
            refuse(.badRequest, context: context)
            return
        }
        phase = .answering
        keepAlive = head.isKeepAlive && !head.announcesBody
        let request = PendingRequest(
            request: Request(head: converted, body: RequestBody(buffer: ByteBuffer())),
            hasBody: head.announcesBody,
            channel: context.channel
        )
        if !submit(request) { refuse(.serviceUnavailable, context: context) }
    }

    // MARK: Responses

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            if noMoreRequests, ahead.isEmpty { keepAlive = false }
            if !keepAlive { head.headers.replaceOrAdd(name: "connection", value: "close") }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            let taken = promise ?? context.eventLoop.makePromise(of: Void.self)
            taken.futureResult.assumeIsolated().whenSuccess { self.responseTaken(context: context) }
            context.write(data, promise: taken)
        }
    }

    private func refuse(_ status: HTTPResponseStatus, context: ChannelHandlerContext) {
        phase = .answering
        keepAlive = false
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: ["content-length": "0"])
        write(context: context, data: wrapOutboundOut(.head(head)), promise: nil)
        write(context: context, data: wrapOutboundOut(.end(nil)), promise: nil)
        context.flush()
    }

    private func responseTaken(context: ChannelHandlerContext) {
        if keepAlive, let head = ahead.popFirst() {
            budget.wentOn()
            begin(head, context: context)
        } else if keepAlive, !noMoreRequests {
            phase = .waiting
            budget.becameIdle()
        } else if inputEnded {
            context.close(promise: nil)
        } else {
            // The rest of the request timeout also bounds the lingering close.
            phase = .lingering
            context.close(mode: .output, promise: nil)
        }
        if wantsRead, phase != .answering {
            wantsRead = false
            context.read()
        }
    }
}

extension HTTPRequestHead {
    fileprivate var announcesBody: Bool {
        headers.contains(name: "transfer-encoding") || headers["content-length"].contains { $0 != "0" }
    }
}
