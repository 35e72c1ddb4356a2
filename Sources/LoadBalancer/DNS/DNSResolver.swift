import EventLoop
import ProcessSupport
package import Sockets
package import ValueFormats

/// Source of DNS answers: the system resolver, or a list of name servers.
package struct DNSResolver: Hashable, Sendable {
    /// Configured name servers; nil to use the system's.
    private let servers: [SocketAddress]?

    /// For hosts the system resolver, with hosts(5) and its search list; for services, for which it has no call, the
    /// name servers of resolv.conf(5).
    package static let system = DNSResolver(chosen: nil)

    private static let configurationFile = "/etc/resolv.conf"
    private static let maxConfigurationSize = 1 << 20

    private init(chosen servers: [SocketAddress]?) {
        self.servers = servers
    }

    /// Creates a resolver that queries only these name servers, in this order. Names are used as written, without
    /// hosts(5) and search list.
    ///
    /// - Parameter servers: such as 127.0.0.1:5353; if empty, the system resolver is used.
    package init(servers: [SocketAddress]) {
        self.init(chosen: servers.isEmpty ? nil : servers)
    }

    /// Returns the queries that are needed to find all addresses of a host.
    func questions(about host: String) -> [DNSQuery] {
        guard servers != nil else { return [.system(host)] }
        return DNSName(host).map { [.ipv4($0), .ipv6($0)] } ?? []
    }

    func ask(_ question: DNSQuery) async throws(DNSFailure) -> DNSResult {
        switch question {
        case .system(let host):
            guard let result = await abandoning({ await Self.lookUp(host) }) else { throw .cancelled }
            return try result.get()
        case .ipv4(let name):
            return try await client.ask(DNSWireQuery(name: name, type: .ipv4)).named
        case .ipv6(let name):
            return try await client.ask(DNSWireQuery(name: name, type: .ipv6)).named
        case .service(let name):
            return try await client.ask(DNSWireQuery(name: name, type: .service)).named
        }
    }

    private var client: DNSClient {
        if let servers { return DNSClient(servers: servers) }
        // Read for each query, because the file changes when networks come and go.
        let bytes = (try? RegularFile.read(Self.configurationFile, maxSize: Self.maxConfigurationSize)) ?? []
        return DNSClient(servers: DNSClient.servers(in: String(decoding: bytes, as: UTF8.self)))
    }

    private static func lookUp(_ host: String) async -> Result<DNSResult, DNSFailure> {
        do throws(HostLookup.Failure) {
            return .success(DNSResult(addresses: try await HostLookup.addresses(of: host, port: 0)))
        } catch {
            return switch error.reason {
            case .noSuchName: .failure(.noSuchName())
            case .noAddress: .failure(.noRecords)
            case .other: .failure(.system(error.detail))
            }
        }
    }
}

extension InternetAddress {
    private static let nameServerFormat = "must be the IP address and port of a name server, such as 10.0.0.53:53"

    /// Parses the address of a name server: an IP address and a port.
    ///
    /// - Throws: ``ValueFormatError``, which describes the expected format.
    package init(nameServer text: String) throws(ValueFormatError) {
        let parsed: ServiceAddress
        do throws(AddressParseError) {
            parsed = try ServiceAddress(parsing: text)
        } catch {
            if case .scheme(let address?) = error.problem {
                throw ValueFormatError("has a scheme, which an address does not: write \(address)")
            }
            if InternetAddress(host: text, port: 53) != nil {
                let host = text.contains(":") ? "[\(text)]" : text
                throw ValueFormatError("has no port: write \(host):53")
            }
            throw ValueFormatError(Self.nameServerFormat)
        }
        guard case .socket(.internet(let address)) = parsed, address.port != 0, !address.isUnspecified else {
            throw ValueFormatError(Self.nameServerFormat)
        }
        self = address
    }
}

/// One query of a lookup.
enum DNSQuery: Hashable, Sendable {
    case ipv4(DNSName)
    case ipv6(DNSName)
    /// All addresses of a host, from the system resolver.
    case system(String)
    case service(DNSName)
}

struct DNSResult: Hashable, Sendable {
    /// Without ports.
    var addresses: [InternetAddress] = []
    var services: [DNSService] = []
    /// TTL of the answer; nil if unknown, as from the system resolver.
    var timeToLive: Duration?
}

extension DNSClient.Answer {
    fileprivate var named: DNSResult {
        var answer = DNSResult(timeToLive: timeToLive)
        for content in contents {
            switch content {
            case .address(let address): answer.addresses.append(address)
            case .service(let service): answer.services.append(service)
            case .alias: break
            }
        }
        return answer
    }
}
