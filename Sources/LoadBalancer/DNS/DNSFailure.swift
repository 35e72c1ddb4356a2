package import Sockets

/// Why a name could not be resolved to servers.
package enum DNSFailure: Error, Hashable, Sendable {
    /// The name does not exist; with the time for which this may be cached, if the name server states one (RFC 2308).
    case noSuchName(timeToLive: Duration? = nil)
    /// The name exists but has no records of the requested type.
    case noRecords
    /// The service is not available at this name (RFC 2782: the target is ".").
    case notOffered
    /// The name server returned an error, by its RCODE (RFC 1035, 4.1.1).
    case serverFailure(server: SocketAddress, code: UInt8)
    case silent(server: SocketAddress)
    case unreachable(server: SocketAddress, SystemError)
    /// The response of the name server could not be parsed.
    case malformed(server: SocketAddress)
    /// The name server responded with a referral: it does not resolve names recursively.
    case referral(server: SocketAddress)
    /// The aliases of the name form a loop or a chain that is too long.
    case aliasLoop
    /// There was no result within the time.
    case timedOut(after: Duration)
    /// Message of the system resolver.
    case system(String)
    case cancelled
}

extension DNSFailure: CustomStringConvertible {
    /// Whether the name server failed, in contrast to an answer about the name: it is queried again soon.
    package var isServerFailure: Bool {
        switch self {
        case .noSuchName, .noRecords, .notOffered, .aliasLoop: false
        case .serverFailure, .silent, .unreachable, .malformed, .referral, .timedOut, .system, .cancelled: true
        }
    }

    /// Reason, as the end of a sentence: "the name does not exist".
    package var description: String {
        switch self {
        case .noSuchName: "the name does not exist"
        case .noRecords: "the name has no addresses"
        case .notOffered: "service not available at this name"
        case .serverFailure(let server, let code): "name server \(server) failed: \(Self.name(of: code))"
        case .silent(let server): "name server \(server) does not respond"
        case .unreachable(let server, let error): "name server \(server): \(error)"
        case .malformed(let server): "malformed response from name server \(server)"
        case .referral(let server): "name server \(server) does not resolve names recursively"
        case .aliasLoop: "the aliases (CNAME) of the name form a loop or a chain that is too long"
        case .timedOut(let limit): "the name servers did not answer within \(limit.components.seconds) s"
        case .system(let words): words
        case .cancelled: "the lookup was canceled"
        }
    }

    /// Returns the mnemonic of an RCODE.
    private static func name(of code: UInt8) -> String {
        switch code {
        case 1: "FORMERR"
        case 2: "SERVFAIL"
        case 4: "NOTIMP"
        case 5: "REFUSED"
        default: "error \(code)"
        }
    }
}
