import CLinux
import Glibc

/// The addresses of this machine's network interfaces at one moment (getifaddrs(3)).
///
/// All addresses of 127.0.0.0/8 count as local: the loopback interface accepts connections to each of them.
public struct LocalAddresses: Sendable, Hashable {
    private var hosts: Set<InternetAddress>

    /// Creates the set of these addresses; their ports are ignored.
    public init(_ addresses: [InternetAddress] = []) {
        hosts = Set(addresses.map(Self.host))
    }

    /// Returns the present addresses of this machine; if the system does not report them, only the loopback addresses
    /// are known.
    public static func current() -> LocalAddresses {
        var addresses: [InternetAddress] = []
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return LocalAddresses() }
        defer { freeifaddrs(list) }
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            guard let address = entry.pointee.ifa_addr else { continue }
            var raw = RawAddress()
            let length: Int
            switch Int32(address.pointee.sa_family) {
            case AF_INET: length = MemoryLayout<sockaddr_in>.size
            case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
            default: continue
            }
            withUnsafeMutableBytes(of: &raw.address) { bytes in
                bytes.copyMemory(from: UnsafeRawBufferPointer(start: address, count: length))
            }
            if case .internet(let address) = raw.peer { addresses.append(address) }
        }
        return LocalAddresses(addresses)
    }

    /// Returns whether connections to an address stay on this machine; its port is ignored. An unspecified address is
    /// the loopback address for connect(2).
    public func contains(_ address: InternetAddress) -> Bool {
        address.isUnspecified || address.isLoopback || hosts.contains(Self.host(address))
    }

    private static func host(_ address: InternetAddress) -> InternetAddress {
        InternetAddress(high: address.high, low: address.low, port: 0)
    }
}

extension InternetAddress {
    /// Whether this is `0.0.0.0` or `::`.
    public var isUnspecified: Bool { high == 0 && (low == 0 || low == 0xFFFF_0000_0000) }

    /// Whether this is an address of 127.0.0.0/8, or `::1`.
    public var isLoopback: Bool { isIPv4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1 }

    /// The address that connect(2) connects to: the loopback address instead of an unspecified one.
    public var connectTarget: InternetAddress {
        guard isUnspecified else { return self }
        return low == 0
            ? InternetAddress(high: 0, low: 1, port: port) : InternetAddress(v4: 0x7F00_0001, port: port)
    }
}
