package import Sockets

/// Address of a pool's servers: an IP address with a port, a Unix socket path, a host name or a service name.
///
/// `127.0.0.1:5432`, `[::1]:5432`, `unix:/run/db.sock`; `db.example:5432`, of which each address is one server;
/// `srv:_pg._tcp.db.example`, whose SRV records give hosts, ports, weights and priorities (RFC 2782).
package enum ServerAddress: Hashable, Sendable {
    case socket(SocketAddress)
    case host(String, port: UInt16)
    case service(DNSName)

    /// Prefix of a service name.
    package static let servicePrefix = "srv:"

    package init(_ address: ServiceAddress) {
        switch address {
        case .socket(let address): self = .socket(address)
        case .name(let host, let port): self = .host(host, port: port)
        }
    }

    /// Parses an address.
    package init(parsing text: String) throws(ServerAddressError) {
        if text.hasPrefix(Self.servicePrefix) {
            guard let name = DNSName(String(text.dropFirst(Self.servicePrefix.count))) else {
                throw .badService(text)
            }
            self = .service(name)
            return
        }
        do throws(AddressParseError) {
            self.init(try ServiceAddress(parsing: text))
        } catch {
            throw .badAddress(error)
        }
    }
}

extension ServerAddress {
    /// Port; nil for a Unix socket, and for a service, whose SRV records contain it.
    package var port: UInt16? {
        switch self {
        case .socket(let address): address.port
        case .host(_, let port): port
        case .service: nil
        }
    }

    /// The address in the spelling by which it is compared; see ``Sockets/ServiceAddress/normalized``.
    package var normalized: ServerAddress {
        switch self {
        case .socket(let address): ServerAddress(ServiceAddress.socket(address).normalized)
        case .host(let host, let port): ServerAddress(ServiceAddress.name(host: host, port: port).normalized)
        case .service: self
        }
    }

    /// Whether the address is a name, which may resolve to different servers over time.
    package var isName: Bool {
        if case .socket = self { false } else { true }
    }

    /// Whether SRV records give weights and ports.
    package var isService: Bool {
        if case .service = self { true } else { false }
    }
}

/// Why a text is not a valid server address.
package enum ServerAddressError: Error, Hashable, Sendable {
    case badAddress(AddressParseError)
    case badService(String)
}

extension ServerAddressError: CustomStringConvertible {
    /// One sentence: what is wrong and how to fix it.
    package var description: String {
        switch self {
        case .badAddress(let error): error.targetDescription
        case .badService(let text):
            "invalid service '\(text)': must be like srv:_service._tcp.example.com, with letters, digits, - and _"
        }
    }
}

extension ServerAddress: CustomStringConvertible {
    /// The address in the form that the parser reads.
    package var description: String {
        switch self {
        case .socket(let address): address.description
        case .host(let host, let port): "\(host):\(port)"
        case .service(let name): "\(Self.servicePrefix)\(name)"
        }
    }
}

/// Server found by resolving a name.
package struct DiscoveredEndpoint: Hashable, Sendable {
    package let address: SocketAddress
    /// Host name that resolved to the address; nil if the address was configured.
    package let host: String?
    /// Priority of the SRV record: servers with the lowest value are used first, the others only if none of those is
    /// available.
    package let priority: UInt16
    /// Share among servers of one priority according to the SRV record, nil without one. 0 is almost nothing.
    package let weight: UInt16?

    package init(address: SocketAddress, host: String? = nil, priority: UInt16 = 0, weight: UInt16? = nil) {
        self.address = address
        self.host = host
        self.priority = priority
        self.weight = weight
    }
}
