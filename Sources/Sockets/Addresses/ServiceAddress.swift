/// An address as written by an operator: a numeric address, a path, or a host name that is not resolved yet.
///
/// `127.0.0.1:8080`, `[::1]:8080`, `example.com:80`, `:8080` and `*:8080` (all interfaces), `unix:/run/app.sock`,
/// `unix:@name` (abstract).
public enum ServiceAddress: Hashable, Sendable {
    /// An address that needs no resolution.
    case socket(SocketAddress)
    /// A DNS host name and a port.
    case name(host: String, port: UInt16)

    /// Parses an address.
    ///
    /// - Throws: ``AddressParseError``, which states what is wrong and how to fix it.
    public init(parsing text: String) throws(AddressParseError) {
        if text.hasPrefix("unix:") {
            self = try .socket(Self.unix(String(text.dropFirst(5)), in: text))
            return
        }
        if let problem = Self.otherNotation(text) { throw AddressParseError(text: text, problem: problem) }
        let (host, portText) = try Self.split(text)
        guard let port = UInt16(portText), portText.allSatisfy(\.isASCIIDigit) else {
            throw AddressParseError(text: text, problem: .badPort(String(portText)))
        }
        switch host {
        case .bracketed(let digits):
            guard let address = InternetAddress(host: digits, port: port), digits.contains(":") else {
                throw AddressParseError(text: text, problem: .badIPv6(digits))
            }
            self = .socket(.internet(address))
        case .plain(let name) where name.isEmpty || name == "*":
            self = .socket(.internet(InternetAddress(high: 0, low: 0, port: port)))
        case .plain(let name):
            if let address = InternetAddress(host: name, port: port) {
                self = .socket(.internet(address))
            } else if Self.isHostName(name) {
                self = .name(host: name, port: port)
            } else {
                throw AddressParseError(text: text, problem: .badHost(name))
            }
        }
    }

    /// Recognizes notations of other programs; returns nil if the text is in none of them.
    private static func otherNotation(_ text: String) -> AddressParseError.Problem? {
        if let address = afterBareScheme(text) { return .scheme(address: address) }
        if let address = afterScheme(text) {
            // A path, a query or a user is not part of an address.
            let authority = address.prefix { !"/?#".contains($0) }
            let host = String(authority.split(separator: "@", omittingEmptySubsequences: false).last ?? "")
            return .scheme(address: (try? ServiceAddress(parsing: host)) == nil ? nil : host)
        }
        if text.hasPrefix("/") || text.hasPrefix("./") || text.hasPrefix("../") { return .barePath }
        if text.hasSuffix(".sock"), !text.contains(":") { return .barePath }
        if text.allSatisfy(\.isASCIIDigit), let port = UInt16(text) { return .onlyPort(port) }
        return nil
    }

    /// Returns the text after a URL's scheme (RFC 3986, 3.1); nil if there is none.
    private static func afterScheme(_ text: String) -> Substring? {
        let scheme = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
        let rest = text[scheme.endIndex...]
        guard scheme.first?.isLetter == true, rest.hasPrefix("://") else { return nil }
        return rest.dropFirst(3)
    }

    /// Words before an address that name a protocol instead of a host.
    private static let schemes: Set = ["tcp", "tcp4", "tcp6", "tls", "ssl", "http", "https"]

    /// Returns the address after a scheme without slashes, such as `tcp:127.0.0.1:80`; nil if there is none.
    private static func afterBareScheme(_ text: String) -> String? {
        guard let colon = text.firstIndex(of: ":"), schemes.contains(text[..<colon].lowercased()) else { return nil }
        let address = String(text[text.index(after: colon)...])
        return (try? ServiceAddress(parsing: address)) == nil ? nil : address
    }

    private enum Host {
        case bracketed(String)
        case plain(String)
    }

    private static func split(_ text: String) throws(AddressParseError) -> (Host, Substring) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                throw AddressParseError(text: text, problem: .unclosedBracket)
            }
            let rest = text[text.index(after: end)...]
            guard rest.hasPrefix(":") else { throw AddressParseError(text: text, problem: .noPort) }
            return (.bracketed(String(text[text.index(after: text.startIndex)..<end])), rest.dropFirst())
        }
        guard let colon = text.lastIndex(of: ":") else {
            throw AddressParseError(text: text, problem: text.isEmpty ? .empty : .noPort)
        }
        let host = text[..<colon]
        guard !host.contains(":") else { throw AddressParseError(text: text, problem: .bareIPv6) }
        return (.plain(String(host)), text[text.index(after: colon)...])
    }

    private static func unix(_ path: String, in text: String) throws(AddressParseError) -> SocketAddress {
        guard !path.isEmpty, path != "@", !path.utf8.contains(0) else {
            throw AddressParseError(text: text, problem: .badPath)
        }
        guard path.utf8.count <= SocketAddress.maxUnixPathLength else {
            throw AddressParseError(text: text, problem: .longPath(path.utf8.count))
        }
        return .unix(path: path)
    }

    /// Whether a name is a valid host name: letters, digits, hyphens and underscores between dots (RFC 1123, 2.1;
    /// underscores are not allowed there but are common). A name whose last label has digits only is a mistyped IPv4
    /// address, not a host.
    private static func isHostName(_ name: String) -> Bool {
        guard name.utf8.count <= 253 else { return false }
        var labels = name.split(separator: ".", omittingEmptySubsequences: false)
        if labels.count > 1, labels.last?.isEmpty == true { labels.removeLast() }
        let wellFormed = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
        }
        return wellFormed && labels.last?.allSatisfy(\.isASCIIDigit) == false
    }
}

extension ServiceAddress {
    /// The port; nil for a Unix socket.
    public var port: UInt16? {
        switch self {
        case .socket(let address): address.port
        case .name(_, let port): port
        }
    }
}

extension ServiceAddress {
    /// The address in the spelling by which it is compared: a lowercase name without a trailing dot (RFC 4343), a path
    /// without repeated slashes and `.` components.
    package var normalized: ServiceAddress {
        switch self {
        case .socket(.internet): self
        case .socket(.unix(let path)): .socket(.unix(path: Self.normalized(path)))
        case .name(let host, let port):
            .name(host: (host.hasSuffix(".") ? String(host.dropLast()) : host).lowercased(), port: port)
        }
    }

    /// Keeps `..`, because the component before it may be a symbolic link.
    private static func normalized(_ path: String) -> String {
        if path.hasPrefix("@") { return path }
        let normalized = path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        if path.hasPrefix("/") { return "/" + normalized }
        // Without `./` it would be an abstract name.
        return normalized.hasPrefix("@") ? "./" + normalized : normalized
    }
}

extension ServiceAddress: CustomStringConvertible {
    /// The notation of the command line.
    public var description: String {
        switch self {
        case .socket(let address): address.description
        case .name(let host, let port): "\(host):\(port)"
        }
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { isASCII && isNumber }
}
