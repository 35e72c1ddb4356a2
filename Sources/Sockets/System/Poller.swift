/// The readiness that the poller reports for a descriptor or is registered for (epoll_ctl(2)).
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
    /// The peer has finished sending: its FIN has arrived, possibly after bytes that are still unread.
    @inlinable public static var readHangup: Readiness { Readiness(rawValue: 0x2000) }
    /// Registers for changes only; each change is reported once.
    @inlinable public static var edgeTriggered: Readiness { Readiness(rawValue: 1 << 31) }

    /// All readiness that a connection needs, in one registration for its entire lifetime.
    @inlinable public static var connection: Readiness {
        [.readable, .urgent, .writable, .readHangup, .edgeTriggered]
    }
}

/// The reported readiness of one descriptor.
public struct PollEvent: Sendable {
    public var token: Token
    public var readiness: Readiness

    @inlinable
    public init(token: Token, readiness: Readiness) {
        self.token = token
        self.readiness = readiness
    }
}

/// A handle that wakes a waiting poller; it may be used from any thread.
public protocol Waker: Sendable {
    func wake()
}
