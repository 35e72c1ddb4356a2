/// The reason why a text is not a valid address.
public struct AddressParseError: Error, Hashable, Sendable {
    /// What is wrong with the text.
    public enum Problem: Hashable, Sendable {
        /// The text is empty.
        case empty
        /// There is no port.
        case noPort
        /// The text is only a port; the value is the port.
        case onlyPort(UInt16)
        /// The text is a URL; the value is the address in it, nil if it has no valid one.
        case scheme(address: String?)
        /// The text is a path without `unix:`.
        case barePath
        /// The port is not a number from 0 to 65535.
        case badPort(String)
        /// The host is neither an IP address nor a host name.
        case badHost(String)
        /// The text in brackets is not an IPv6 address.
        case badIPv6(String)
        /// An IPv6 address is not in brackets.
        case bareIPv6
        /// A bracket is not closed.
        case unclosedBracket
        /// There is no path after `unix:`, or it contains a zero byte.
        case badPath
        /// The path is too long; the value is its length in bytes.
        case longPath(Int)
    }

    /// The text as written.
    public let text: String
    /// What is wrong with it.
    public let problem: Problem
}

extension AddressParseError {
    /// The description for an address that is connected to, which needs a host.
    package var targetDescription: String {
        guard case .onlyPort(let port) = problem else { return description }
        return "'\(text)' has no host: write it before the port, such as 127.0.0.1:\(port)"
    }
}

extension AddressParseError: CustomStringConvertible {
    /// One sentence that states what is wrong and how to fix it.
    public var description: String {
        switch problem {
        case .empty:
            "missing address: write host:port, [ipv6]:port or unix:/path"
        case .noPort:
            "'\(text)' has no port: write it as host:port, such as 127.0.0.1:8080"
        case .onlyPort(let port):
            "'\(text)' has no host: write :\(port) for all interfaces, or a host, such as 127.0.0.1:\(port)"
        case .scheme(let address?):
            "'\(text)' has a scheme, which an address does not: write \(address)"
        case .scheme(nil):
            "'\(text)' has a scheme, which an address does not: write host:port, such as 127.0.0.1:8080"
        case .barePath:
            "'\(text)' is a path: write unix:\(text) for a Unix socket"
        case .badPort(let port):
            "invalid port '\(port)' in '\(text)': must be 0-65535"
        case .badHost(let host):
            "invalid host '\(host)' in '\(text)': must be an IP address or a host name"
        case .badIPv6(let digits):
            "invalid IPv6 address '\(digits)' in '\(text)'"
        case .bareIPv6:
            "'\(text)' is ambiguous: write an IPv6 address in brackets, such as [::1]:8080"
        case .unclosedBracket:
            "'\(text)' has no closing bracket: write it as [ipv6]:port, such as [::1]:8080"
        case .badPath:
            "'\(text)' has no path: write it as unix:/path/to/socket, or unix:@name for an abstract socket"
        case .longPath(let length):
            "path of \(length) bytes in '\(text)' is too long: must be at most \(SocketAddress.maxUnixPathLength) bytes"
        }
    }
}
