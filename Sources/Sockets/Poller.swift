/// What the poller reports of a descriptor, or is asked to report (epoll_ctl(2)).
public struct Readiness: OptionSet, Sendable {
    public let rawValue: UInt32

    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    @inlinable public static var readable: Readiness { Readiness(rawValue: 0x001) }
    @inlinable public static var urgent: Readiness { Readiness(rawValue: 0x002) }
    @inlinable public static var writable: Readiness { Readiness(rawValue: 0x004) }
    @inlinable public static var failed: Readiness { Readiness(rawValue: 0x008) }
    @inlinable public static var hungUp: Readiness { Readiness(rawValue: 0x010) }
    /// The peer will send no more: its FIN has arrived, perhaps behind bytes that are still to be read.
    @inlinable public static var peerEnded: Readiness { Readiness(rawValue: 0x2000) }
    /// Ask to be told of changes only, once for each.
    @inlinable public static var edgeTriggered: Readiness { Readiness(rawValue: 1 << 31) }
    /// Ask that of several pollers that watch one descriptor only one be woken.
    @inlinable public static var exclusive: Readiness { Readiness(rawValue: 1 << 28) }

    /// All that a connection wants to hear, with one registration for its whole life.
    @inlinable public static var connection: Readiness {
        [.readable, .urgent, .writable, .peerEnded, .edgeTriggered]
    }
}

/// One descriptor's readiness, as reported.
public struct PollEvent: Sendable {
    public var token: Token
    public var readiness: Readiness

    @inlinable
    public init(token: Token, readiness: Readiness) {
        self.token = token
        self.readiness = readiness
    }
}

/// Wakes a poller that waits, from any thread.
public protocol Waker: Sendable {
    func wake()
}
