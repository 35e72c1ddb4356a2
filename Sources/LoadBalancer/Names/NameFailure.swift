public import Sockets

/// Why a name gave no servers.
public enum NameFailure: Error, Hashable, Sendable {
    case noSuchName
    /// The name is there, and has no records of the kind that was asked for.
    case noRecords
    /// The name says that its service is not offered (RFC 2782: the target ".").
    case notOffered
    /// The name server has troubles of its own, by their number (RFC 1035, 4.1.1).
    case serverFailure(server: SocketAddress, code: UInt8)
    case silent(server: SocketAddress)
    case unreachable(server: SocketAddress, SystemError)
    /// What the name server sent cannot be read.
    case malformed(server: SocketAddress)
    /// In the words of the system's own resolver.
    case system(String)
    case cancelled
}

extension NameFailure: CustomStringConvertible {
    /// What was wrong, as the end of a sentence: "there is no such name".
    public var description: String {
        switch self {
        case .noSuchName: "there is no such name"
        case .noRecords: "the name has no addresses"
        case .notOffered: "the name says that there is no such service"
        case .serverFailure(let server, let code): "name server \(server) says \(Self.name(of: code))"
        case .silent(let server): "name server \(server) does not answer"
        case .unreachable(let server, let error): "name server \(server): \(error)"
        case .malformed(let server): "the answer of name server \(server) cannot be read"
        case .system(let words): words
        case .cancelled: "the look-up was broken off"
        }
    }

    /// As name servers' own tools have it.
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
