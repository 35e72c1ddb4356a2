import Glibc

/// The address that a test socket listens on or connects to. Its text is in command-line form: `127.0.0.1:80`,
/// `[::1]:80`, `unix:/path`.
package enum TestAddress: Hashable, Sendable, CustomStringConvertible {
    /// A literal IPv4 or IPv6 address, never a host name.
    case ip(String, port: UInt16)
    case unix(path: String)

    /// 127.0.0.1 with an ephemeral port.
    package static let loopback = TestAddress.ip("127.0.0.1", port: 0)
    /// ::1 with an ephemeral port.
    package static let loopback6 = TestAddress.ip("::1", port: 0)

    package init?(_ text: some StringProtocol) {
        if text.hasPrefix("unix:") {
            self = .unix(path: String(text.dropFirst("unix:".count)))
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        let host = text[..<colon]
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host
        self = .ip(String(bare), port: port)
    }

    package var description: String {
        switch self {
        case .ip(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Zero for a Unix socket.
    package var port: UInt16 {
        if case .ip(_, let port) = self { port } else { 0 }
    }
}

extension TestAddress {
    var family: Int32 {
        switch self {
        case .ip(let host, _): host.contains(":") ? AF_INET6 : AF_INET
        case .unix: AF_UNIX
        }
    }

    func withSystemAddress<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Result
    ) throws -> Result {
        var storage = sockaddr_storage()
        let length = try withUnsafeMutableBytes(of: &storage) { try write(into: $0) }
        return try withUnsafePointer(to: &storage) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { try body($0, socklen_t(length)) }
        }
    }

    /// Stores an address whose host `parse` sets; returns the size of the address.
    private func store<Address>(
        _ address: Address,
        in storage: UnsafeMutableRawBufferPointer,
        parse: (inout Address) -> Bool
    ) throws -> Int {
        var address = address
        guard parse(&address) else { throw SystemFailure("inet_pton", code: EINVAL) }
        storage.storeBytes(of: address, as: Address.self)
        return MemoryLayout<Address>.size
    }

    private func write(into storage: UnsafeMutableRawBufferPointer) throws -> Int {
        switch self {
        case .ip(let host, let port) where family == AF_INET:
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            return try store(address, in: storage) { inet_pton(AF_INET, host, &$0.sin_addr) == 1 }
        case .ip(let host, let port):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            return try store(address, in: storage) { inet_pton(AF_INET6, host, &$0.sin6_addr) == 1 }
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let fits = withUnsafeMutableBytes(of: &address.sun_path) { room in
                guard path.utf8.count < room.count else { return false }
                room.copyBytes(from: path.utf8)
                return true
            }
            guard fits else { throw SystemFailure("sockaddr_un", code: ENAMETOOLONG) }
            storage.storeBytes(of: address, as: sockaddr_un.self)
            return MemoryLayout<sockaddr_un>.size
        }
    }

    /// Reads an address of a descriptor with `getsockname` or `getpeername`.
    static func asked(
        of descriptor: Int32,
        _ call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) throws -> TestAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        try withUnsafeMutablePointer(to: &storage) {
            _ = try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                try retried("getsockname") { call(descriptor, address, &length) }
            }
        }
        return withUnsafeBytes(of: &storage) { read(from: $0) }
    }

    private static func read(from storage: UnsafeRawBufferPointer) -> TestAddress {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        switch Int32(storage.load(as: sa_family_t.self)) {
        case AF_INET:
            var address = storage.load(as: sockaddr_in.self)
            inet_ntop(AF_INET, &address.sin_addr, &text, socklen_t(text.count))
            return .ip(string(text), port: UInt16(bigEndian: address.sin_port))
        case AF_INET6:
            var address = storage.load(as: sockaddr_in6.self)
            inet_ntop(AF_INET6, &address.sin6_addr, &text, socklen_t(text.count))
            return .ip(string(text), port: UInt16(bigEndian: address.sin6_port))
        default:
            let address = storage.load(as: sockaddr_un.self)
            return .unix(path: withUnsafeBytes(of: address.sun_path) { string($0.map(CChar.init(bitPattern:))) })
        }
    }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
