import NIOCore

/// The open connections of the endpoint. Confined to one event loop, which is that of all connections.
final class ConnectionTable {
    let limits: AdminServer.Limits
    /// Called when a connection has ended or may now be closed for a new one.
    var onAvailable: () -> Void = {}

    private let eventLoop: any EventLoop
    private var connections: [ObjectIdentifier: AdminConnection] = [:]
    private var drained: EventLoopPromise<Void>?

    init(limits: AdminServer.Limits, on eventLoop: any EventLoop) {
        self.limits = limits
        self.eventLoop = eventLoop
    }

    /// Whether a connection can be accepted: the limit is not reached, or a connection can be closed for it.
    var hasRoom: Bool { connections.count < limits.connections || candidate() != nil }

    /// Adds a new connection; at the limit, closes the one that has waited longest for its client.
    ///
    /// If each of the others awaits a response, there is one connection more than the limit, until one of them ends.
    func add(_ channel: any Channel) {
        if connections.count >= limits.connections { evict() }
        let connection = AdminConnection(channel, limits: limits)
        connection.onChange = { [weak self] in self?.onAvailable() }
        let key = ObjectIdentifier(channel)
        connections[key] = connection
        channel.closeFuture.assumeIsolated().whenComplete { _ in self.remove(key) }
    }

    subscript(channel: any Channel) -> AdminConnection? { connections[ObjectIdentifier(channel)] }

    private func evict() {
        guard let (key, connection) = candidate() else { return }
        connections[key] = nil
        connection.onChange = {}
        connection.close()
    }

    private func candidate() -> (key: ObjectIdentifier, value: AdminConnection)? {
        let now = NIODeadline.now()
        func rank(_ connection: AdminConnection) -> Int? {
            AdminConnection.evictionRank(of: connection.stage, after: now - connection.since)
        }
        return connections.lazy.filter { rank($0.value) != nil }.min { left, right in
            (rank(left.value) ?? .max, left.value.since) < (rank(right.value) ?? .max, right.value.since)
        }
    }

    private func remove(_ key: ObjectIdentifier) {
        connections[key] = nil
        onAvailable()
        if connections.isEmpty { drained?.succeed() }
    }

    /// Ends all connections: idle ones immediately, the others after their response, at the latest when the time to
    /// stop is over. No connection may be added afterwards.
    func stop() {
        for connection in Array(connections.values) { connection.stop() }
    }

    /// Succeeds when the last connection has ended. May be called once.
    func waitUntilEmpty() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        if connections.isEmpty { promise.succeed() } else { drained = promise }
        return promise.futureResult
    }
}

/// Enforces the limit of connections in the pipeline of the listening socket.
final class AcceptLimitHandler: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never
    typealias OutboundOut = Never

    private let connections: ConnectionTable
    private var isPaused = false

    init(_ connections: ConnectionTable) {
        self.connections = connections
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connections.onAvailable = { [unowned self] in
            guard isPaused, connections.hasRoom else { return }
            isPaused = false
            context.read()
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        connections.onAvailable = {}
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connections.add(unwrapInboundIn(data))
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        if connections.hasRoom {
            context.read()
        } else {
            isPaused = true
        }
    }
}
