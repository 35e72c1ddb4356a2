public import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
public import Sockets
import Synchronization

/// HTTP server that exposes the state of a running proxy: `/metrics`, `/clients`, `/pools`, `/healthz` and `/readyz`;
/// and, if enabled, the control operations.
///
/// It has one thread for its connections, separate from the worker threads, and computes responses on Swift's
/// concurrency threads; the health probes are answered on its own thread, so that nothing delays them. SwiftNIO parses
/// the requests, and ``Limits`` apply before a route is called. docs/metrics.md and docs/control.md describe the
/// responses.
public final class AdminServer: Sendable {
    /// The listening address, with port 0 resolved.
    public let localAddress: Sockets.SocketAddress

    private let socketFile: UnixSocketFile?
    /// The listening socket; nil once ``run()`` has taken it.
    private let listener: Mutex<Descriptor?>
    private let phase = Mutex(Phase.bound)
    /// Ends when the listening socket is closed. Not a future of the channel: its event loop may have ended when a future
    /// is awaited, and then never resumes the task.
    private let (closing, closed) = AsyncStream<Void>.makeStream()
    private let routes: RouteTable
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
        try await bind(address, inherited: nil, source: source, logger: logger, configuration: configuration)
    }

    /// Uses a listening socket that the service manager has opened, instead of opening one.
    ///
    /// - Parameter inherited: the socket; owned unless the call throws. If nil, a socket is opened.
    package static func bind(
        _ address: ServiceAddress,
        inherited: InheritedSocket?,
        source: any AdminSource,
        logger: Logger,
        configuration: Configuration
    ) async throws(AdminError) -> AdminServer {
        try configuration.limits.check()
        let target = try await Listener.resolve(address)
        if configuration.control != nil, configuration.token == nil, !target.isLoopback {
            throw .tokenMissing(target)
        }
        let listener =
            if let inherited {
                try Listener(inherited, configuredAt: target)
            } else {
                try Listener.open(at: target, writtenAs: address)
            }
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
        routes =
            Routes(
                source: source,
                version: configuration.version,
                control: configuration.control,
                token: configuration.token,
                origin: RequestOrigin(names: names)
            ).table
        limits = configuration.limits
        self.logger = logger
    }

    deinit {
        if let descriptor = listener.withLock({ $0.take() }) { Listener.close(descriptor, file: socketFile) }
    }

    private enum Phase {
        case bound
        case running(listening: any Channel)
        /// ``stopListening()`` was called.
        case stopped
        /// ``run()`` has ended without it.
        case ended
    }

    /// Closes the listening socket, so that another process can bind the address; returns when that is done. Connections
    /// that are open are served until the task of ``run()`` is canceled.
    public func stopListening() async {
        let wasRunning = phase.withLock { phase in
            if case .ended = phase { return false }
            defer { phase = .stopped }
            guard case .running(let listening) = phase else { return false }
            socketFile?.remove()
            // Within the lock, so that the event loop still exists.
            listening.close(promise: nil)
            return true
        }
        if wasRunning {
            for await _ in closing {}
        } else if let descriptor = listener.withLock({ $0.take() }) {
            Listener.close(descriptor, file: socketFile)
        }
    }

    private var isStopped: Bool {
        phase.withLock { if case .stopped = $0 { true } else { false } }
    }

    /// Serves requests until the task is canceled, and then for at most ``Limits/stop`` completes the requests in
    /// progress. Returns immediately if ``stopListening()`` was called before. In a group of swift-service-lifecycle, call it within `cancelWhenGracefulShutdown`.
    ///
    /// - Throws: ``AdminError/alreadyRun`` on the second call, ``AdminError/listenerFailed(_:)`` if the listening
    ///   socket is closed without a request to stop.
    public func run() async throws {
        guard let descriptor = listener.withLock({ $0.take() }) else {
            if isStopped { return }
            throw AdminError.alreadyRun
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await serve(descriptor.release(), on: group))
        } catch {
            outcome = .failure(error)
        }
        phase.withLock { phase in
            if case .stopped = phase { return }
            socketFile?.remove()
            phase = .ended
        }
        try? await group.shutdownGracefully()
        try outcome.get()
    }

    private func serve(_ descriptor: CInt, on group: MultiThreadedEventLoopGroup) async throws {
        let (requests, incoming) = AsyncStream.makeStream(
            of: PendingRequest.self,
            bufferingPolicy: .bufferingOldest(Self.waitingRequests)
        )
        let eventLoop = group.next()
        // The group has one thread, so the table is on the event loop of all connections.
        let connections = try await eventLoop.submit { [limits] in
            NIOLoopBound(ConnectionTable(limits: limits, on: eventLoop), eventLoop: eventLoop)
        }.get()
        let listening = try await bootstrap(on: group, connections, incoming).withBoundSocket(descriptor).get()
        listening.closeFuture.whenComplete { [self] _ in
            closed.finish()
            if !isStopped { incoming.finish() }
        }
        let wasStoppedBefore = phase.withLock { phase in
            if case .stopped = phase { return true }
            phase = .running(listening: listening)
            return false
        }
        if wasStoppedBefore { listening.close(promise: nil) }

        await withTaskCancellationHandler {
            await answer(requests)
        } onCancel: {
            eventLoop.execute {
                listening.close(promise: nil)
                connections.value.stop()
                incoming.finish()
            }
        }
        let wasStopped = Task.isCancelled

        let drained = eventLoop.flatSubmit {
            connections.value.stop()
            return connections.value.waitUntilEmpty()
        }
        try? await drained.get()
        if !wasStopped { throw AdminError.listenerFailed(localAddress) }
    }

    /// Computes responses concurrently until the stream ends.
    private func answer(_ requests: AsyncStream<PendingRequest>) async {
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for await request in requests {
                if running == limits.connections {
                    await group.next()
                } else {
                    running += 1
                }
                group.addTask { [logger] in await request.answer(logger: logger) }
            }
        }
    }

    /// Maximum number of queued requests. It exceeds the limit of connections because requests of clients that have
    /// disconnected stay in the queue until they are computed.
    private static let waitingRequests = 1024
    /// Bytes of one read from a connection.
    private static let readSize = 8 << 10

    private func bootstrap(
        on group: MultiThreadedEventLoopGroup,
        _ connections: NIOLoopBound<ConnectionTable>,
        _ incoming: AsyncStream<PendingRequest>.Continuation
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            // One at a time, so that the limit of connections is checked before each accept.
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(AcceptBackoffHandler())
                    try pipeline.addHandler(AcceptLimitHandler(connections.value))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // One read bounds the pipelined requests that a client can make the server buffer.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.readSize))
            .childChannelInitializer { [routes, limits, logger] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let connection = connections.value[channel] else { throw ChannelError.alreadyClosed }
                    try Self.configure(connection, limits: limits) { request in
                        let decision = routes.decision(on: request)
                        if case .respond(let response) = decision {
                            logger.debug("\(request.method) \(request.path): \(response.status)")
                        }
                        return decision
                    } submit: { request in
                        if case .enqueued = incoming.yield(request) { true } else { false }
                    }
                }
            }
    }

    /// Adds the handlers that read requests and write responses to a connection's pipeline.
    ///
    /// - Parameters:
    ///   - decide: decides on a request without waiting.
    ///   - submit: queues a request whose response must be computed; returns false if the queue is full.
    static func configure(
        _ connection: AdminConnection,
        limits: Limits,
        decide: @escaping @Sendable (AdminRequest) -> RouteTable.Decision,
        submit: @escaping @Sendable (PendingRequest) -> Bool
    ) throws {
        var decoderLimits = NIOHTTPDecoderLimitConfiguration()
        decoderLimits.maxHeaderFieldSize = limits.headerBytes
        decoderLimits.maxHeaderListSize = limits.headerBytes
        decoderLimits.maxHeaderFieldCount = limits.headerFields
        let pipeline = connection.channel.pipeline.syncOperations
        try pipeline.addHandler(RequestSizeHandler(connection))
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false,
            withErrorHandling: false,
            withOutboundHeaderValidation: true,
            withEncoderConfiguration: .init(),
            withDecoderLimitConfiguration: decoderLimits
        )
        try pipeline.addHandler(RequestHandler(connection, decide: decide, submit: submit))
    }
}
