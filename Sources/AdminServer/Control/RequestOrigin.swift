import Glibc

/// Whether a request that changes something comes from where it should: not from a web page that has its visitor's browser
/// send it (CSRF), nor from one whose name stands for our address since a moment ago (DNS rebinding).
struct RequestOrigin: Sendable {
    /// By which names the endpoint may be spoken to, besides any address in figures and `localhost`.
    let names: Set<String>

    init(names: Set<String>) {
        self.names = Set(names.map { $0.lowercased() })
    }

    /// The name of this machine.
    static var machineName: String? {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// - Parameters:
    ///   - host: the request's Host field.
    ///   - origin: its Origin field, which browsers send with whatever could change something.
    ///   - site: its Sec-Fetch-Site field.
    /// - Returns: why it is refused; nil if it is not.
    func refusal(host: String?, origin: String?, site: String?) -> String? {
        guard let host, isOurs(host) else {
            return "the Host field must be an address in figures, localhost or this machine's name"
        }
        if let origin, origin.lowercased() != "http://\(host.lowercased())" {
            return "the request comes from another web page: its Origin must be http://\(host), or not be there"
        }
        if let site, site != "same-origin", site != "none" {
            return "the request comes from another web page"
        }
        return nil
    }

    private func isOurs(_ host: String) -> Bool {
        guard let name = Self.name(in: host.lowercased()) else { return false }
        return name == "localhost" || names.contains(name) || Self.isAddress(name)
    }

    /// The host without its port; nil for what is none.
    private static func name(in host: String) -> String? {
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return nil }
            return isPort(host[host.index(after: end)...]) ? String(host[...end]) : nil
        }
        let colon = host.firstIndex(of: ":") ?? host.endIndex
        return isPort(host[colon...]) ? String(host[..<colon]) : nil
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.isEmpty || text.first == ":" && text.dropFirst().allSatisfy { ("0"..."9").contains($0) }
    }

    /// Whether a host is an address in figures: a page cannot make one stand for another machine.
    private static func isAddress(_ name: String) -> Bool {
        var six = in6_addr()
        var four = in_addr()
        if name.hasPrefix("[") { return inet_pton(AF_INET6, String(name.dropFirst().dropLast()), &six) == 1 }
        return inet_pton(AF_INET, name, &four) == 1
    }
}
