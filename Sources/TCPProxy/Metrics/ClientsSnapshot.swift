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
