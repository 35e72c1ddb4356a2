import Glibc
package import Sockets
import Workers

/// Turns host names into addresses, on a thread of its own: getaddrinfo(3) blocks for as long as a name server is silent,
/// and must hold up neither a worker nor Swift's cooperative threads.
package enum Resolver {
    /// The most addresses of one name that are used.
    package static let limit = 64

    /// All addresses that an address stands for, in the order in which they should be tried (RFC 6724); one at least.
    ///
    /// - Throws: ``ProxyError/unknownHost(_:detail:)``.
    package static func addresses(of address: ServiceAddress) async throws(ProxyError) -> [SocketAddress] {
        switch address {
        case .socket(let address):
            return [address]
        case .name(let host, let port):
            let result = await withCheckedContinuation { continuation in
                _ = WorkerThread.start(name: "resolver") { continuation.resume(returning: lookUp(host, port)) }
            }
            return try result.get()
        }
    }

    /// Blocks.
    private static func lookUp(_ host: String, _ port: UInt16) -> Result<[SocketAddress], ProxyError> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else { return .failure(.unknownHost(host, detail: String(cString: gai_strerror(code)))) }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var entry = list
        while let current = entry?.pointee, addresses.count < limit {
            entry = current.ai_next
            var raw = RawAddress()
            guard let bytes = current.ai_addr, Int(current.ai_addrlen) <= MemoryLayout<sockaddr_in6>.size else {
                continue
            }
            withUnsafeMutableBytes(of: &raw.address) { memory in
                memory.copyMemory(from: UnsafeRawBufferPointer(start: bytes, count: Int(current.ai_addrlen)))
            }
            guard case .internet(var address) = raw.peer else { continue }
            address.port = port
            let found = SocketAddress.internet(address)
            if !addresses.contains(found) { addresses.append(found) }
        }
        return addresses.isEmpty ? .failure(.unknownHost(host, detail: "no usable address")) : .success(addresses)
    }
}
