import Sockets

// Tested bit by bit: a literal of an option set of another module is built at run time, element by element.
extension Readiness {
    /// The peer will send no more, or the connection has failed.
    @inline(__always)
    var tellsOfAnEnd: Bool {
        rawValue & (Readiness.peerEnded.rawValue | Readiness.failed.rawValue | Readiness.hungUp.rawValue) != 0
    }

    /// There is, or was, an urgent byte, at which a receive stops short (tcp(7), SIOCATMARK).
    @inline(__always)
    var tellsOfUrgency: Bool {
        rawValue & Readiness.urgent.rawValue != 0
    }

    @inline(__always)
    var tellsOfAFailure: Bool {
        rawValue & (Readiness.failed.rawValue | Readiness.hungUp.rawValue) != 0
    }

    /// Receiving will give bytes, an end or an error.
    @inline(__always)
    var asksForAReceive: Bool {
        rawValue & Readiness.readable.rawValue != 0 || tellsOfAnEnd
    }

    @inline(__always)
    var asksForASend: Bool {
        rawValue & Readiness.writable.rawValue != 0
    }

    /// As if the poller had said that both is possible.
    static var both: Readiness {
        Readiness(rawValue: Readiness.readable.rawValue | Readiness.writable.rawValue)
    }
}
