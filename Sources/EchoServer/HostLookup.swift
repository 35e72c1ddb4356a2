import Glibc
import Sockets
import Synchronization
import Workers

/// Finds the address of a host name, on a thread of its own, since the C library's resolver blocks.
final class HostLookup: Sendable {
    private let answer = Mutex<Result<SocketAddress, EchoServerError>?>(nil)

    private init() {}

    /// - Returns: the first address that the system's resolver prefers (getaddrinfo(3), RFC 6724).
    static func address(of host: String, port: UInt16) async throws(EchoServerError) -> SocketAddress {
        let lookup = HostLookup()
        await WorkerThread.start(name: "lookup") {
            let found = ask(for: host, port: port)
            lookup.answer.withLock { $0 = found }
        }.join()
        guard let answer = lookup.answer.withLock({ $0 }) else { throw .unknownHost(host, detail: "no answer") }
        return try answer.get()
    }

    private static func ask(for host: String, port: UInt16) -> Result<SocketAddress, EchoServerError> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, "\(port)", &hints, &list)
        guard result == 0 else {
            return .failure(.unknownHost(host, detail: String(cString: gai_strerror(result))))
        }
        defer { freeaddrinfo(list) }
        var next = list
        while let entry = next {
            if let address = address(entry.pointee, port: port) { return .success(.internet(address)) }
            next = entry.pointee.ai_next
        }
        return .failure(.unknownHost(host, detail: "it has no IP address"))
    }

    private static func address(_ entry: addrinfo, port: UInt16) -> InternetAddress? {
        let raw = UnsafeRawPointer(entry.ai_addr)
        switch entry.ai_family {
        case AF_INET:
            guard let address = raw?.loadUnaligned(as: sockaddr_in.self) else { return nil }
            return InternetAddress(v4: UInt32(bigEndian: address.sin_addr.s_addr), port: port)
        case AF_INET6:
            guard let address = raw?.loadUnaligned(as: sockaddr_in6.self) else { return nil }
            return withUnsafeBytes(of: address.sin6_addr) { bytes in
                InternetAddress(
                    high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                    low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    port: port,
                    scope: address.sin6_scope_id
                )
            }
        default:
            return nil
        }
    }
}
