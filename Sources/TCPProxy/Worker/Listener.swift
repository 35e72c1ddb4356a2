import Sockets

/// A worker's socket at an address, and how those who come to it are served.
///
/// Its settings stay what they are: a listener that is to serve otherwise gets another number, to which its socket moves,
/// and connections go on with the settings that they began with.
struct Listener: ~Copyable {
    /// nil when it has been closed, or has moved; its connections may go on.
    var descriptor: Descriptor?
    let settings: ListenerSettings
    /// The number under which its clients are limited: the first that it had.
    let limits: Int
    /// The change of listeners and pools by which it came.
    let version: Int
    /// Whether the poller knows the socket.
    var isWatched = false
    /// Set once no handshake begins any more: until then those who are in the queue are still accepted.
    var endsAt: Instant?

    init(_ descriptor: consuming Descriptor?, settings: ListenerSettings, limits: Int, version: Int) {
        self.descriptor = consume descriptor
        self.settings = settings
        self.limits = limits
        self.version = version
    }
}

/// How a listener's connections are served.
struct ListenerSettings: Sendable, Equatable {
    /// The pool that its servers come from.
    var pool: Int
    /// Pools by what TLS clients ask for; nil where that does not matter.
    var routes: ClientHelloRoutes?
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
    /// The most numbers that are in use at once: of listeners, and of those before them that still have connections.
    static var capacity: Int { 4096 }

    private let places: UnsafeMutablePointer<Listener>
    private(set) var count = 0

    init() {
        places = .allocate(capacity: Self.capacity)
    }

    deinit {
        places.deinitialize(count: count)
        places.deallocate()
    }

    /// Puts a listener in its place, or another in the place of one that nobody speaks of any more.
    ///
    /// - Precondition: numbers are begun in their order.
    mutating func set(_ listener: consuming Listener, at number: Int) {
        precondition(number <= count && number < Self.capacity, "there is no place \(number) for a listener")
        if number == count { count += 1 } else { (places + number).deinitialize(count: 1) }
        (places + number).initialize(to: listener)
    }

    func pointer(to number: Int) -> UnsafeMutablePointer<Listener> { places + number }

    /// Whether one of them still listens.
    var isAnyOpen: Bool {
        for number in 0..<count where places[number].descriptor != nil { return true }
        return false
    }
}
