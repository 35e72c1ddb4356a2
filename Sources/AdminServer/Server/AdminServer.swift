import HummingbirdCore
public import Logging
import NIOCore
import NIOExtras
import NIOHTTP1
import NIOPosix
public import ServiceLifecycle
public import Sockets
import Synchronization

/// HTTP server that exposes the state of a running proxy: `/metrics`, `/clients`, `/pools`, `/healthz` and `/readyz`;
/// and, if enabled, the control operations.
///
/// It has one thread for its connections, separate from the worker threads, and computes responses on Swift's
/// concurrency threads. SwiftNIO parses the requests and Hummingbird routes them; the limits of ``Limits`` apply
/// between the two and cannot be bypassed by a client. docs/metrics.md and docs/control.md describe the responses.
public final class AdminServer: Service {
    /// The listening address, with port 0 resolved.
    public let localAddress: Sockets.SocketAddress

    private let socketFile: UnixSocketFile?
    /// The listening socket; nil once ``run()`` has taken it.
    private let listener: Mutex<Descriptor?>
    private let routes: Routes
    private let limits: Limits
    private let logger: Logger

    /// Opens the listening socket. Connections wait in its backlog until ``run()``.
    ///
    /// - Parameters:
    ///   - address: the address to listen on; with port 0 the kernel chooses the port.
    ///   - source: the proxy to report on.
    ///   - logger: gets one line for each request at level debug, and one for each failure at level error.
    ///   - configuration: all other settings.
    /// - Throws: ``AdminError``, whose description is a message for the user.
    public static func bind(
        _ address: ServiceAddress,
        source: any AdminSource,
        logger: Logger,
        configuration: Configuration
    ) async throws(AdminError) -> AdminServer {
        try configuration.limits.check()
        let target = try await Listener.resolve(address)
        if configuration.control != nil, configuration.token == nil, !target.isLoopback {
            throw .tokenMissing(target)
        }
        let listener = try Listener.open(at: target, writtenAs: address)
        var names: Set<String> = []
        if case .name(let name, _) = address { names.insert(name) }
        if let name = RequestOrigin.machineName { names.insert(name) }
        return AdminServer(listener, names: names, source: source, logger: logger, configuration: configuration)
    }

    private init(
        _ listener: consuming Listener,
        names: Set<String>,
        source: any AdminSource,
        logger: Logger,
        configuration: Configuration
    ) {
        localAddress = listener.address
        socketFile = listener.file
        self.listener = Mutex(listener.descriptor)
        routes = Routes(
            source: source,
            version: configuration.version,
            control: configuration.control,
            token: configuration.token,
            origin: RequestOrigin(names: names)
        )
        limits = configuration.limits
        self.logger = logger
    }

    deinit {
        if let descriptor = listener.withLock({ $0.take() }) { Listener.close(descriptor, file: socketFile) }
    }

    /// Serves requests until the task is canceled or its service group shuts down, and then for at most ``Limits/stop``
    /// completes the requests in progress.
    ///
    /// - Throws: ``AdminError/alreadyRun`` on the second call, ``AdminError/listenerFailed(_:)`` if the listening
    ///   socket is closed without a request to stop.
    public func run() async throws {
        guard let descriptor = listener.withLock({ $0.take() }) else { throw AdminError.alreadyRun }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await serve(descriptor.release(), on: group))
        } catch {
            outcome = .failure(error)
        }
        socketFile?.remove()
        try? await group.shutdownGracefully()
        try outcome.get()
    }

    private func serve(_ descriptor: CInt, on group: MultiThreadedEventLoopGroup) async throws {
        let (requests, incoming) = AsyncStream.makeStream(
            of: PendingRequest.self,
            bufferingPolicy: .bufferingOldest(Self.waitingRequests)
        )
        let quiescing = ServerQuiescingHelper(group: group)
        let listening = try await bootstrap(on: group, quiescing: quiescing, incoming: incoming)
            .withBoundSocket(descriptor).get()
        listening.closeFuture.whenComplete { _ in incoming.finish() }

        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await answer(requests)
            } onGracefulShutdown: {
                quiescing.initiateShutdown(promise: nil)
            }
        } onCancel: {
            quiescing.initiateShutdown(promise: nil)
        }
        let wasTold = Task.isCancelled || Task.isShuttingDownGracefully

        let drained = group.next().makePromise(of: Void.self)
        quiescing.initiateShutdown(promise: drained)
        try? await drained.futureResult.get()
        if !wasTold { throw AdminError.listenerFailed(localAddress) }
    }

    /// Serves requests concurrently until the stream ends; each takes until its client has received the response.
    private func answer(_ requests: AsyncStream<PendingRequest>) async {
        let responder = routes.responder()
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for await request in requests {
                if running == limits.connections {
                    await group.next()
                } else {
                    running += 1
                }
                group.addTask { [logger] in await request.answer(by: responder, logger: logger) }
            }
        }
    }

    /// Maximum number of queued requests. It exceeds the limit of connections because requests of clients that have
    /// disconnected stay in the queue until they are dropped.
    private static let waitingRequests = 1024
    /// Bytes of one read from a connection.
    private static let readSize = 8 << 10

    private func bootstrap(
        on group: MultiThreadedEventLoopGroup,
        quiescing: ServerQuiescingHelper,
        incoming: AsyncStream<PendingRequest>.Continuation
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            // One at a time, so that the limit of connections is checked before each accept.
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .serverChannelInitializer { [limits] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(AcceptBackoffHandler())
                    try pipeline.addHandler(AvailableConnectionsChannelHandler(maxConnections: limits.connections))
                    try pipeline.addHandler(quiescing.makeServerChannelHandler(channel: channel))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // One read bounds the pipelined requests that a client can make the server buffer.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.readSize))
            .childChannelInitializer { [limits] channel in
                channel.eventLoop.makeCompletedFuture {
                    try Self.configure(channel, limits: limits) { request in
                        if case .enqueued = incoming.yield(request) { true } else { false }
                    }
                }
            }
    }

    /// Adds the handlers that read requests and write responses to a connection's pipeline; each request is passed to
    /// `submit`.
    static func configure(
        _ channel: any Channel,
        limits: Limits,
        submit: @escaping @Sendable (PendingRequest) -> Bool
    ) throws {
        var decoderLimits = NIOHTTPDecoderLimitConfiguration()
        decoderLimits.maxHeaderFieldSize = limits.headerBytes
        decoderLimits.maxHeaderListSize = limits.headerBytes
        decoderLimits.maxHeaderFieldCount = limits.headerFields
        let pipeline = channel.pipeline.syncOperations
        let budget = RequestBudget(limits: limits)
        try pipeline.addHandler(budget)
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false,
            withErrorHandling: false,
            withOutboundHeaderValidation: true,
            withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: decoderLimits
        )
        try pipeline.addHandler(RequestHandler(budget: budget, submit: submit))
    }
}
