import Sockets

// Tested by raw bits: an option-set literal of another module is built element by element at run time.
extension Readiness {
    /// Whether the peer has closed its stream or the connection has failed.
    @inline(__always)
    var reportsEOF: Bool {
        rawValue & (Readiness.readHangup.rawValue | Readiness.failed.rawValue | Readiness.hungUp.rawValue) != 0
    }

    /// Whether there is or was an urgent byte, at which a receive stops short (tcp(7), SIOCATMARK).
    @inline(__always)
    var reportsUrgentData: Bool {
        rawValue & Readiness.urgent.rawValue != 0
    }

    @inline(__always)
    var reportsFailure: Bool {
        rawValue & (Readiness.failed.rawValue | Readiness.hungUp.rawValue) != 0
    }

    /// Whether a receive would return bytes, EOF or an error.
    @inline(__always)
    var wantsReceive: Bool {
        rawValue & Readiness.readable.rawValue != 0 || reportsEOF
    }

    @inline(__always)
    var wantsSend: Bool {
        rawValue & Readiness.writable.rawValue != 0
    }

    /// Readable and writable, as if the poller had reported both.
    static var both: Readiness {
        Readiness(rawValue: Readiness.readable.rawValue | Readiness.writable.rawValue)
    }
}
