/// Which names of servers are meant: one (`www.example.com`), or all that end alike (`*.example.com`).
///
/// As in nginx, `*.example.com` stands for names of any depth below `example.com`, such as `a.b.example.com`, and not for
/// `example.com` itself. (In a certificate an asterisk is one label and no more.)
public struct ServerNamePattern: Hashable, Sendable {
    /// In lower case, without a dot at its end; of all that end alike, what stands behind `*.`.
    public let name: String
    public let isWildcard: Bool

    /// - Throws: what is wrong with the text, which it names.
    public init(parsing text: String) throws(ServerNamePatternError) {
        let isWildcard = text.hasPrefix("*.")
        var name = (isWildcard ? text.dropFirst(2) : text[...]).utf8.map(ServerName.lowercased)
        if name.last == ServerName.dot { name.removeLast() }
        guard !ServerName.isAddress(name) else { throw ServerNamePatternError(text: text, problem: .address) }
        guard name.allSatisfy({ $0 < 0x80 }) else { throw ServerNamePatternError(text: text, problem: .notASCII) }
        guard !name.contains(UInt8(ascii: "*")) else { throw ServerNamePatternError(text: text, problem: .asterisk) }
        guard ServerName.isWellFormed(name) else { throw ServerNamePatternError(text: text, problem: .badName) }
        self.name = String(decoding: name, as: UTF8.self)
        self.isWildcard = isWildcard
    }
}

extension ServerNamePattern: CustomStringConvertible {
    public var description: String { isWildcard ? "*.\(name)" : name }
}

/// Why a text is no name of a server, nor stands for several.
public struct ServerNamePatternError: Error, Hashable, Sendable {
    public enum Problem: Hashable, Sendable {
        case badName
        case notASCII
        case address
        case asterisk
    }

    /// What was written.
    public let text: String
    public let problem: Problem
}

extension ServerNamePatternError: CustomStringConvertible {
    /// One sentence that says what is wrong and how to mend it.
    public var description: String {
        switch problem {
        case .badName:
            "'\(text)' is no name of a server: write it as www.example.com or *.example.com"
        case .notASCII:
            "'\(text)' has letters that no TLS client sends: write it in the form that begins with xn--"
        case .address:
            "'\(text)' is an IP address, for which TLS clients send no name: write the name of a server"
        case .asterisk:
            "'\(text)' has an asterisk that is not a first label of its own: write it as *.example.com"
        }
    }
}
