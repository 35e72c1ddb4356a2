/// What the poller reports of a descriptor, or is asked to report (epoll_ctl(2)).
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    @inlinable package static var readable: Readiness { Readiness(rawValue: 0x001) }
    @inlinable package static var urgent: Readiness { Readiness(rawValue: 0x002) }
    @inlinable package static var writable: Readiness { Readiness(rawValue: 0x004) }
    @inlinable package static var failed: Readiness { Readiness(rawValue: 0x008) }
    @inlinable package static var hungUp: Readiness { Readiness(rawValue: 0x010) }
    /// The peer will send no more: its FIN has arrived, perhaps behind bytes that are still to be read.
    @inlinable package static var peerEnded: Readiness { Readiness(rawValue: 0x2000) }
    /// Ask to be told of changes only, once for each.
    @inlinable package static var edgeTriggered: Readiness { Readiness(rawValue: 1 << 31) }
    /// Ask that of several pollers that watch one descriptor only one be woken.
    @inlinable package static var exclusive: Readiness { Readiness(rawValue: 1 << 28) }

    /// All that a connection wants to hear, with one registration for its whole life.
    @inlinable package static var connection: Readiness {
        [.readable, .urgent, .writable, .peerEnded, .edgeTriggered]
    }
}

/// One descriptor's readiness, as reported.
package struct PollEvent: Sendable {
    package var token: Token
    package var readiness: Readiness

    @inlinable
    package init(token: Token, readiness: Readiness) {
        self.token = token
        self.readiness = readiness
    }
}

/// Wakes a poller that waits, from any thread.
package protocol Waker: Sendable {
    func wake()
}
