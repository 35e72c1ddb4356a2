import Glibc

/// Validates the origin of a state-changing request, against cross-site request forgery (CSRF) and DNS rebinding.
struct RequestOrigin: Sendable {
    /// The host names accepted in addition to `localhost` and any literal IP address, in lower case.
    let names: Set<String>

    init(names: Set<String>) {
        self.names = Set(names.map { $0.lowercased() })
    }

    /// The host name of this machine.
    static var machineName: String? {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// - Parameters:
    ///   - host: the request's Host field.
    ///   - origin: its Origin field, which browsers send with any state-changing request.
    ///   - site: its Sec-Fetch-Site field.
    /// - Returns: the reason for the rejection; nil if the request is allowed.
    func rejection(host: String?, origin: String?, site: String?) -> String? {
        guard let host, isOurs(host) else {
            return "invalid Host field: must be a numeric address, localhost or this machine's host name"
        }
        if let origin, origin.lowercased() != "http://\(host.lowercased())" {
            return "cross-origin request: Origin must be http://\(host) or absent"
        }
        if let site, site != "same-origin", site != "none" {
            return "cross-origin request: Sec-Fetch-Site must be same-origin, none or absent"
        }
        return nil
    }

    private func isOurs(_ host: String) -> Bool {
        guard let name = Self.name(in: host.lowercased()) else { return false }
        return name == "localhost" || names.contains(name) || Self.isAddress(name)
    }

    /// Returns the host without its port; nil if the text is malformed.
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

    /// Returns whether a host is a literal IP address, which a web page cannot rebind to another machine.
    private static func isAddress(_ name: String) -> Bool {
        var six = in6_addr()
        var four = in_addr()
        if name.hasPrefix("[") { return inet_pton(AF_INET6, String(name.dropFirst().dropLast()), &six) == 1 }
        return inet_pton(AF_INET, name, &four) == 1
    }
}
