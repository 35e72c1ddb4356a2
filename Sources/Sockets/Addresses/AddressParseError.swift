/// The reason why a text is not a valid address.
public struct AddressParseError: Error, Hashable, Sendable {
    public enum Problem: Hashable, Sendable {
        case empty
        case noPort
        case badPort(String)
        case badHost(String)
        case badIPv6(String)
        case bareIPv6
        case unclosedBracket
        case badPath
        case longPath(Int)
    }

    /// The text as written.
    public let text: String
    public let problem: Problem
}

extension AddressParseError: CustomStringConvertible {
    /// One sentence that states what is wrong and how to fix it.
    public var description: String {
        switch problem {
        case .empty:
            "missing address: write host:port, [ipv6]:port or unix:/path"
        case .noPort:
            "'\(text)' has no port: write it as host:port, such as 127.0.0.1:8080"
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
            "'\(text)' has no path: write it as unix:/path/to/socket"
        case .longPath(let length):
            "path of \(length) bytes in '\(text)' is too long: must be at most \(SocketAddress.longestUnixPath) bytes"
        }
    }
}
