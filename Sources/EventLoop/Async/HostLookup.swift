import Glibc
public import Sockets

/// Resolution of host names to addresses with getaddrinfo(3).
public enum HostLookup {
    /// The maximum number of addresses used per name.
    public static let limit = 64

    /// The reason why a name could not be resolved.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        public let host: String
        /// The message of the resolver.
        public let detail: String
        public let reason: Reason

        /// What the resolver found out.
        public enum Reason: Hashable, Sendable {
            /// The name does not exist.
            case noSuchName
            /// The name exists but has no IP address.
            case noAddress
            /// The lookup failed, for example because no name server answered.
            case other
        }

        public init(host: String, detail: String, reason: Reason = .other) {
            self.host = host
            self.detail = detail
            self.reason = reason
        }

        /// One sentence that states the cause and how to fix it.
        public var description: String {
            "unknown host '\(host)' (\(detail)): check the name, or write an IP address"
        }
    }

    /// Resolves a name to its addresses, in the order in which they should be tried (RFC 6724); at least one.
    ///
    /// Runs on a dedicated thread: getaddrinfo(3) blocks while a DNS server does not respond, and must block neither a
    /// worker nor Swift's cooperative threads.
    public static func addresses(of host: String, port: UInt16) async throws(Failure) -> [InternetAddress] {
        let result: Result<[InternetAddress], Failure>
        do throws(SystemError) {
            result = try await WorkerThread.run(name: "resolver") { lookUp(host, port: port) }
        } catch {
            throw Failure(host: host, detail: "no thread for the resolver: \(error)")
        }
        return try result.get()
    }

    /// Returns all socket addresses of an address, at least one, in the order in which they should be tried.
    public static func addresses(of address: ServiceAddress) async throws(Failure) -> [SocketAddress] {
        switch address {
        case .socket(let address): [address]
        case .name(let host, let port): try await addresses(of: host, port: port).map { .internet($0) }
        }
    }

    private static func lookUp(_ host: String, port: UInt16) -> Result<[InternetAddress], Failure> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else {
            return .failure(failure(host, code))
        }
        defer { freeaddrinfo(list) }
        var addresses: [InternetAddress] = []
        var next = list
        while let entry = next?.pointee, addresses.count < limit {
            next = entry.ai_next
            guard let address = InternetAddress(entry, port: port), !addresses.contains(address) else { continue }
            addresses.append(address)
        }
        return addresses.isEmpty
            ? .failure(Failure(host: host, detail: "the name has no IP address", reason: .noAddress))
            : .success(addresses)
    }

    private static func failure(_ host: String, _ code: Int32) -> Failure {
        // EAI_ADDRFAMILY and EAI_NODATA are extensions of glibc.
        let (hasNoFamily, hasNoData): (Int32, Int32) = (-9, -5)
        return switch code {
        case EAI_NONAME:
            Failure(host: host, detail: "the name does not exist", reason: .noSuchName)
        case hasNoFamily, hasNoData:
            Failure(host: host, detail: "the name has no IP address", reason: .noAddress)
        default:
            Failure(host: host, detail: "the name server failed: \(String(cString: gai_strerror(code)))")
        }
    }
}

extension InternetAddress {
    /// Creates an address from a getaddrinfo(3) entry; returns nil if the entry is not an internet address.
    fileprivate init?(_ entry: addrinfo, port: UInt16) {
        var raw = RawAddress()
        let length = Int(entry.ai_addrlen)
        guard let bytes = entry.ai_addr, length <= MemoryLayout<sockaddr_in6>.size else { return nil }
        withUnsafeMutableBytes(of: &raw.address) { memory in
            memory.copyMemory(from: UnsafeRawBufferPointer(start: bytes, count: length))
        }
        guard case .internet(let address) = raw.peer else { return nil }
        self = address
        self.port = port
    }
}
