import Sockets

/// A worker's socket at an address, and how those who come to it are served.
struct Listener: ~Copyable {
    /// nil when it has been closed; its connections may go on.
    var descriptor: Descriptor?
    var settings: ListenerSettings
    /// No handshake begins any more; those who are in the queue are still accepted.
    var isEnding = false

    init(_ descriptor: consuming Descriptor, settings: ListenerSettings) {
        self.descriptor = consume descriptor
        self.settings = settings
    }
}

/// How a listener's connections are served.
struct ListenerSettings: Sendable {
    /// The pool that its servers come from.
    var pool: Int
    /// Pools by the names that TLS clients ask for; nil where these do not matter.
    var names: ServerNameTable<Int16>?
    var entrance: Entrance
    /// Of each direction of each connection, with a full bucket; nil is no limit.
    var bandwidth: Bandwidth?
    var deadlines: Deadlines
    /// Of connections to servers, from their beginning.
    var socketOptions: SocketOptions
    /// Of connections to servers that last.
    var keepAlive: KeepAlive?
    /// Local addresses of connections to servers, used in turn; empty lets the system choose.
    var sources: [RawAddress]
    /// How long a reset waits for its delivery without seeing progress.
    var resetDelivery: Duration
    /// Whether anything is to be asked of a client that comes.
    let hasRules: Bool
}

/// The listeners of a worker, by their numbers.
struct Listeners: ~Copyable {
    /// The most listeners of a process, closed ones that still have connections included.
    static var capacity: Int { 256 }

    private let places: UnsafeMutablePointer<Listener>
    private(set) var count = 0

    init() {
        places = .allocate(capacity: Self.capacity)
    }

    deinit {
        places.deinitialize(count: count)
        places.deallocate()
    }

    /// - Returns: its number.
    mutating func add(_ listener: consuming Listener) -> Int {
        precondition(count < Self.capacity, "a worker has \(Self.capacity) listeners at most")
        (places + count).initialize(to: listener)
        count += 1
        return count - 1
    }

    func pointer(to number: Int) -> UnsafeMutablePointer<Listener> { places + number }

    /// Whether one of them still listens.
    var isAnyOpen: Bool {
        for number in 0..<count where places[number].descriptor != nil { return true }
        return false
    }
}
