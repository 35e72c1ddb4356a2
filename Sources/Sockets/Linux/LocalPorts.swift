import Glibc

/// The ports that the system assigns to outgoing connections (ip(7), ip_local_port_range).
public enum LocalPorts {
    /// The range of the network namespace of the calling thread; all ports if it is unknown.
    public static var range: ClosedRange<UInt16> {
        let file = open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 ... .max }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(file, &bytes, bytes.count)
        return range(parsing: String(decoding: bytes.prefix(max(0, count)), as: UTF8.self))
    }

    /// Parses the format of the system: two ports, separated by white space.
    static func range(parsing text: String) -> ClosedRange<UInt16> {
        let ports = text.split(whereSeparator: \.isWhitespace).map { UInt16($0) }
        guard ports.count == 2, let first = ports[0], let last = ports[1], first <= last else { return 0 ... .max }
        return first...last
    }
}
