import NIOCore
import NIOHTTP1
import ValueFormats

/// Handler of one HTTP/1 connection: submits its requests one at a time and in order, and closes the connection.
///
/// SwiftNIO's own handler traps in debug builds on an unexpected response; a client must not be able to trigger that.
final class RequestHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        case waiting
        /// Until the last byte of the response is written to the socket.
        case answering
        case lingering
    }

    private let connection: AdminConnection
    private let decide: @Sendable (AdminRequest) -> RouteTable.Decision
    private let submit: @Sendable (PendingRequest) -> Bool
    private var phase = Phase.waiting
    /// The request whose response is awaited; a late response to an earlier one is dropped.
    private var awaited: Int?
    private var requests = 0
    /// Pipelined requests. Nothing is read while a response is pending, so one read bounds their number.
    private var ahead = CircularBuffer<HTTPRequestHead>()
    private var wantsRead = false
    private var keepAlive = true
    private var sendsBody = true
    /// Whether no request follows the pipelined ones: the client has half-closed or sent an unparsable request, or the
    /// endpoint is stopping.
    private var noMoreRequests = false
    private var inputEnded = false

    /// - Parameters:
    ///   - decide: decides on a request without waiting.
    ///   - submit: queues a request whose response must be computed; returns false if the queue is full.
    init(
        _ connection: AdminConnection,
        decide: @escaping @Sendable (AdminRequest) -> RouteTable.Decision,
        submit: @escaping @Sendable (PendingRequest) -> Bool
    ) {
        self.connection = connection
        self.decide = decide
        self.submit = submit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connection.onOperationTimeout = { [unowned self] in
            respond(
                .rejection(.gatewayTimeout, "the operation takes too long: it continues without this connection\n"),
                context: context
            )
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        connection.onOperationTimeout = nil
        awaited = nil
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
                connection.beginRequest()
                phase = .answering
                respond(
                    .rejection(error == .headerOverflow ? .requestHeaderFieldsTooLarge : .badRequest),
                    context: context
                )
            }
        case is ByteToMessageDecoderError:
            // Bytes that follow an unparsable request.
            break
        default:
            connection.close()
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            noMoreRequests = true
            inputEnded = true
            if phase != .answering { connection.close() }
        case is ChannelShouldQuiesceEvent:
            noMoreRequests = true
            ahead.removeAll()
            if phase == .waiting { connection.close() }
        default:
            break
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func begin(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        connection.beginRequest()
        phase = .answering
        keepAlive = head.isKeepAlive && !head.announcesBody
        sendsBody = head.method != .HEAD
        let request: AdminRequest
        do throws(AdminRequestError) {
            request = try AdminRequest(head)
        } catch {
            return respond(.rejection(.badRequest, "\(error.text)\n"), context: context)
        }
        switch decide(request) {
        case .respond(let response):
            respond(response, context: context)
        case .compute(let compute):
            requests += 1
            awaited = requests
            let pending = PendingRequest(request: request, compute: compute, deliver: delivery(requests, context))
            if !submit(pending) { respond(.rejection(.serviceUnavailable), context: context) }
        }
    }

    /// Returns a function that passes the response to a request to the event loop.
    private func delivery(_ request: Int, _ context: ChannelHandlerContext) -> @Sendable (AdminResponse) -> Void {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        return { [eventLoop = context.eventLoop] response in
            eventLoop.execute {
                let (handler, context) = bound.value
                if handler.awaited == request { handler.respond(response, context: context) }
            }
        }
    }

    // MARK: Responses

    private func respond(_ response: AdminResponse, context: ChannelHandlerContext) {
        awaited = nil
        connection.enter(.sending)
        if response.closesConnection || noMoreRequests && ahead.isEmpty { keepAlive = false }
        var headers = response.headers
        headers.add(name: "content-length", value: "\(response.body.utf8.count)")
        headers.add(name: "date", value: Timestamp.now.httpDate)
        if !keepAlive { headers.add(name: "connection", value: "close") }
        let head = HTTPResponseHead(version: .http1_1, status: response.status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if sendsBody, !response.body.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: response.body)))), promise: nil)
        }
        let taken = context.eventLoop.makePromise(of: Void.self)
        taken.futureResult.assumeIsolated().whenSuccess { self.responseTaken(context: context) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: taken)
    }

    private func responseTaken(context: ChannelHandlerContext) {
        if keepAlive, let head = ahead.popFirst() {
            // Not called directly, because the number of pipelined requests would be the depth of the recursion.
            context.eventLoop.assumeIsolated().execute {
                if context.channel.isActive { self.begin(head, context: context) }
            }
        } else if keepAlive, !noMoreRequests {
            phase = .waiting
            connection.enter(.idle)
        } else if inputEnded {
            connection.close()
        } else {
            phase = .lingering
            connection.enter(.lingering)
            context.close(mode: .output, promise: nil)
        }
        if wantsRead, phase != .answering {
            wantsRead = false
            context.read()
        }
    }
}
