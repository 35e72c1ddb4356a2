public import Sockets

/// What the clients of a proxy have done, by address.
public struct ClientsSnapshot: Sendable, Equatable {
    /// The busiest addresses, most recently seen first, ``limit`` at most.
    public var clients: [ClientFigures] = []
    /// All whose addresses were pushed out by others, summed.
    public var other = ClientFigures(address: nil)

    /// The most addresses that a snapshot names.
    public static let limit = 4096

    public init() {}
}

/// What the connections of one client address add up to.
public struct ClientFigures: Sendable, Equatable {
    /// The address, its port 0; `.unix` for all clients of a Unix socket together; nil for the sum of many.
    public var address: PeerAddress?
    public var activeConnections = 0
    public var totalConnections = 0
    public var bytesUpstream = 0
    public var bytesDownstream = 0
    /// In seconds since 1970; nil if never.
    public var firstSeen: Double?
    public var lastSeen: Double?

    public init(address: PeerAddress?) {
        self.address = address
    }
}

extension ClientsSnapshot {
    /// Merges what the workers know: figures of ended connections, and connections that run.
    init(_ parts: [ClientSweep.Part]) {
        self.init()
        let now = MomentConverter()
        var figures: [PeerAddress: ClientFigures] = [:]
        for part in parts {
            for entry in part.closed { figures.add(entry, isRunning: false, now) }
            for entry in part.running { figures.add(entry, isRunning: true, now) }
            if part.other.total > 0 { other.add(part.other, isRunning: false, now) }
        }
        let ranked = figures.values.sorted { left, right in
            (left.activeConnections, left.lastSeen ?? 0) > (right.activeConnections, right.lastSeen ?? 0)
        }
        clients = Array(ranked.prefix(Self.limit))
        for client in ranked.dropFirst(Self.limit) { other.add(client) }
    }
}

extension [PeerAddress: ClientFigures] {
    fileprivate mutating func add(_ entry: ClientTable.Entry, isRunning: Bool, _ now: MomentConverter) {
        self[entry.address, default: ClientFigures(address: entry.address)].add(entry, isRunning: isRunning, now)
    }
}

extension ClientFigures {
    fileprivate mutating func add(_ entry: ClientTable.Entry, isRunning: Bool, _ now: MomentConverter) {
        activeConnections += isRunning ? 1 : 0
        totalConnections += entry.total
        bytesUpstream += entry.bytesUpstream
        bytesDownstream += entry.bytesDownstream
        see(from: now.seconds(entry.firstSeen), to: now.seconds(entry.lastSeen))
    }

    fileprivate mutating func add(_ client: ClientFigures) {
        activeConnections += client.activeConnections
        totalConnections += client.totalConnections
        bytesUpstream += client.bytesUpstream
        bytesDownstream += client.bytesDownstream
        if let first = client.firstSeen, let last = client.lastSeen { see(from: first, to: last) }
    }

    private mutating func see(from first: Double, to last: Double) {
        firstSeen = min(firstSeen ?? first, first)
        lastSeen = max(lastSeen ?? last, last)
    }
}

/// Turns moments of the monotonic clock into seconds since 1970, by what both clocks say now.
/// Turns moments of the monotonic clock into seconds since 1970.
struct MomentConverter {
    private let offset = Double(WallClock.nanoseconds) - Double(WallClock.monotonicNanoseconds)

    func seconds(_ instant: Instant) -> Double {
        (Double(instant.nanoseconds) + offset) / 1e9
    }
}
