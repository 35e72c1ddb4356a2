import EventLoop
import Sockets

/// A worker's listening socket and the settings for connections accepted there.
///
/// The settings are immutable: a listener whose settings change gets a new number, to which its socket moves. Existing
/// connections keep the settings with which they were accepted.
struct Listener: ~Copyable {
    /// nil if the socket has been closed or moved; its connections may continue.
    var descriptor: Descriptor?
    let settings: ListenerSettings
    /// The number of the listener's ``ListenerLimits``: the first number of the listener.
    let limits: Int
    /// The version of the configuration change that added the listener.
    let version: Int
    /// Whether the socket stays open in another process when it is closed here.
    var isInherited: Bool
    /// Whether the socket is registered with the poller.
    var isWatched = false
    /// The time at which the socket is to be drained and closed; set when new handshakes are stopped.
    var endsAt: Instant?

    init(
        _ descriptor: consuming Descriptor?,
        isInherited: Bool = false,
        settings: ListenerSettings,
        limits: Int,
        version: Int
    ) {
        self.descriptor = consume descriptor
        self.isInherited = isInherited
        self.settings = settings
        self.limits = limits
        self.version = version
    }
}

/// The listeners of a worker, by number.
struct Listeners: ~Copyable {
    /// The maximum number of listener numbers in use: current ones, and former ones that still have connections.
    static var capacity: Int { 4096 }

    private let places: UnsafeMutablePointer<Listener>
    private(set) var count = 0
    /// Number of open listening sockets.
    var openCount = 0
    /// The listeners with waiting connections whose readiness events are disabled, because accepting was paused.
    var held = IndexedFIFO(capacity: Self.capacity)

    /// Reserves address space only; memory is used as listeners are added.
    init() {
        places = .allocate(capacity: Self.capacity)
    }

    deinit {
        places.deinitialize(count: count)
        places.deallocate()
    }

    /// Stores a listener at a number, replacing a listener that is no longer referenced.
    ///
    /// - Precondition: new numbers are assigned consecutively.
    mutating func set(_ listener: consuming Listener, at number: Int) {
        precondition(number <= count && number < Self.capacity, "no slot \(number) for a listener")
        if number == count { count += 1 } else { (places + number).deinitialize(count: 1) }
        (places + number).initialize(to: listener)
    }

    func pointer(to number: Int) -> UnsafeMutablePointer<Listener> { places + number }

    /// Whether at least one listening socket is open.
    var isAnyOpen: Bool { openCount > 0 }
}
