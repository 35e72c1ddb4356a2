import ProcessSupport
public import Sockets

/// Statistics of a proxy's clients, by address.
public struct ClientsSnapshot: Sendable, Equatable {
    /// The addresses with the most active connections, the most recently seen first among equals; at most ``limit``.
    public var clients: [ClientStatistics] = []
    /// Sum of all addresses that are not listed because there are too many.
    public var other = ClientStatistics(address: nil)

    /// Maximum number of addresses in a snapshot.
    public static let limit = 4096

    /// Creates a snapshot without clients.
    public init() {}
}

/// Statistics of the connections of one client address.
public struct ClientStatistics: Sendable, Equatable {
    /// Address with port 0; `.unix` for all clients of Unix sockets together; nil for the sum of several addresses.
    public var address: PeerAddress?
    /// Current number of connections.
    public var activeConnections = 0
    /// Connections ever opened, including active ones.
    public var totalConnections = 0
    /// Total number of bytes relayed to servers.
    public var bytesUpstream = 0
    /// Total number of bytes relayed to the client.
    public var bytesDownstream = 0
    /// Connections that a listener denied; those denied immediately after accept are not in ``totalConnections``.
    public var deniedConnections = 0
    /// Start of the first connection on record, in seconds since 1970; nil if there was none.
    public var firstSeen: Double?
    /// Time at which the client was last seen, in seconds since 1970; nil if there was no connection.
    public var lastSeen: Double?

    /// Creates statistics that are all zero.
    public init(address: PeerAddress?) {
        self.address = address
    }
}

extension ClientsSnapshot {
    /// Merges the parts of all workers: statistics of closed connections, and connections still open.
    init(_ parts: [ClientAnswer]) {
        self.init()
        let now = WallClockConverter()
        var figures: [PeerAddress: ClientStatistics] = [:]
        for part in parts {
            for entry in part.closed { figures.add(entry, isRunning: false, now) }
            for entry in part.running { figures.add(entry, isRunning: true, now) }
            if !part.other.isFree { other.add(part.other, isRunning: false, now) }
        }
        let ranked = figures.values.sorted { left, right in
            (left.activeConnections, left.lastSeen ?? 0) > (right.activeConnections, right.lastSeen ?? 0)
        }
        clients = Array(ranked.prefix(Self.limit))
        for client in ranked.dropFirst(Self.limit) { other.add(client) }
    }
}

extension [PeerAddress: ClientStatistics] {
    fileprivate mutating func add(_ entry: ClientTable.Entry, isRunning: Bool, _ now: WallClockConverter) {
        self[entry.address, default: ClientStatistics(address: entry.address)].add(entry, isRunning: isRunning, now)
    }
}

extension ClientStatistics {
    fileprivate mutating func add(_ entry: ClientTable.Entry, isRunning: Bool, _ now: WallClockConverter) {
        activeConnections += isRunning ? 1 : 0
        totalConnections += entry.total
        bytesUpstream += entry.bytesUpstream
        bytesDownstream += entry.bytesDownstream
        deniedConnections += entry.denied
        see(from: now.seconds(entry.firstSeen), to: now.seconds(entry.lastSeen))
    }

    fileprivate mutating func add(_ client: ClientStatistics) {
        activeConnections += client.activeConnections
        totalConnections += client.totalConnections
        bytesUpstream += client.bytesUpstream
        bytesDownstream += client.bytesDownstream
        deniedConnections += client.deniedConnections
        if let first = client.firstSeen, let last = client.lastSeen { see(from: first, to: last) }
    }

    private mutating func see(from first: Double, to last: Double) {
        firstSeen = min(firstSeen ?? first, first)
        lastSeen = max(lastSeen ?? last, last)
    }
}
