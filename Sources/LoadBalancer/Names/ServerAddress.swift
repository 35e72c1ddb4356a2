public import Sockets

/// Where a pool's servers are: an address in figures or a path, a host name, or a service's name.
///
/// `127.0.0.1:5432`, `[::1]:5432`, `unix:/run/db.sock`; `db.example:5432`, whose addresses are one server each;
/// `srv:_pg._tcp.db.example`, whose SRV records tell hosts, ports, weights and priorities (RFC 2782).
public enum ServerAddress: Hashable, Sendable {
    case socket(SocketAddress)
    case host(String, port: UInt16)
    case service(DNSName)

    /// What stands before the name of a service.
    public static let servicePrefix = "srv:"

    public init(_ address: ServiceAddress) {
        switch address {
        case .socket(let address): self = .socket(address)
        case .name(let host, let port): self = .host(host, port: port)
        }
    }

    /// Reads an address.
    public init(parsing text: String) throws(ServerAddressError) {
        if text.hasPrefix(Self.servicePrefix) {
            guard let name = DNSName(String(text.dropFirst(Self.servicePrefix.count))) else {
                throw .badService(text)
            }
            self = .service(name)
            return
        }
        do throws(AddressError) {
            self.init(try ServiceAddress(parsing: text))
        } catch {
            throw .badAddress(error)
        }
    }
}

extension ServerAddress {
    /// Nil where there is none, or where a service's records tell it.
    public var port: UInt16? {
        switch self {
        case .socket(let address): address.port
        case .host(_, let port): port
        case .service: nil
        }
    }

    /// Whether it stands for other servers from time to time.
    public var isName: Bool {
        if case .socket = self { false } else { true }
    }

    /// Whether records tell its weights and ports.
    public var isService: Bool {
        if case .service = self { true } else { false }
    }
}

/// Why a text is no server's address.
public enum ServerAddressError: Error, Hashable, Sendable {
    case badAddress(AddressError)
    case badService(String)
}

extension ServerAddressError: CustomStringConvertible {
    /// One sentence that says what is wrong and how to mend it.
    public var description: String {
        switch self {
        case .badAddress(let error): error.description
        case .badService(let text):
            "'\(text)' names no service: write it as srv:_service._tcp.example.com, with letters, digits, - and _"
        }
    }
}

extension ServerAddress: CustomStringConvertible {
    /// As it is written.
    public var description: String {
        switch self {
        case .socket(let address): address.description
        case .host(let host, let port): "\(host):\(port)"
        case .service(let name): "\(Self.servicePrefix)\(name)"
        }
    }
}

/// A server that a name stands for.
public struct ResolvedServer: Hashable, Sendable {
    public let address: SocketAddress
    /// The host that has this address, nil for one that was given in figures.
    public let host: String?
    /// By a service's record: servers of the lowest number come first, the others only when none of those can serve.
    public let priority: UInt16
    /// The share among servers of one priority by a service's record, nil where none says. 0 is almost nothing.
    public let weight: UInt16?

    public init(address: SocketAddress, host: String? = nil, priority: UInt16 = 0, weight: UInt16? = nil) {
        self.address = address
        self.host = host
        self.priority = priority
        self.weight = weight
    }
}
