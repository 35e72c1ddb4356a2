package import Sockets

/// Why a name could not be resolved to servers.
package enum DNSFailure: Error, Hashable, Sendable {
    case noSuchName
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
    /// Message of the system resolver.
    case system(String)
    case cancelled
}

extension DNSFailure: CustomStringConvertible {
    /// Reason, as the end of a sentence: "no such name".
    package var description: String {
        switch self {
        case .noSuchName: "no such name"
        case .noRecords: "the name has no addresses"
        case .notOffered: "service not available at this name"
        case .serverFailure(let server, let code): "name server \(server) returned \(Self.name(of: code))"
        case .silent(let server): "name server \(server) does not respond"
        case .unreachable(let server, let error): "name server \(server): \(error)"
        case .malformed(let server): "malformed response from name server \(server)"
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
