import Glibc
public import Sockets

/// Turns host names into addresses.
public enum HostLookup {
    /// The most addresses of one name that are used.
    public static let limit = 64

    /// Why a name has no address.
    public struct Failure: Error, Hashable, Sendable {
        /// The name.
        public let host: String
        /// The resolver's words for it.
        public let detail: String
    }

    /// All addresses of a name, in the order in which they should be tried (RFC 6724); one at least.
    ///
    /// On a thread of its own: getaddrinfo(3) blocks for as long as a name server is silent, and must hold up neither a
    /// worker nor Swift's cooperative threads.
    public static func addresses(of host: String, port: UInt16) async throws(Failure) -> [InternetAddress] {
        let result = await withCheckedContinuation { continuation in
            _ = WorkerThread.start(name: "resolver") {
                continuation.resume(returning: lookUp(host, port: port))
            }
        }
        return try result.get()
    }

    /// The same, for a thread that may block.
    public static func lookUp(_ host: String, port: UInt16) -> Result<[InternetAddress], Failure> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else {
            return .failure(Failure(host: host, detail: String(cString: gai_strerror(code))))
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
            ? .failure(Failure(host: host, detail: "it has no IP address"))
            : .success(addresses)
    }
}

extension InternetAddress {
    /// What a resolver's answer holds; nil if that is no internet address.
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
