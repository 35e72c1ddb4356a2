/// Pattern for SNI host names: an exact name (`www.example.com`) or a wildcard (`*.example.com`).
///
/// As in nginx, `*.example.com` matches names at any depth below `example.com`, such as `a.b.example.com`, but not
/// `example.com` itself. (In a certificate, an asterisk matches exactly one label.)
public struct SNIPattern: Hashable, Sendable {
    /// Name in lower case without a trailing dot; for a wildcard, the part after `*.`.
    public let name: String
    /// Whether the pattern matches the names below ``name``, at any depth.
    public let isWildcard: Bool

    /// Parses a pattern. Upper case is converted to lower case, and a trailing dot is removed.
    ///
    /// - Throws: ``SNIPatternError``, which contains the text and the problem.
    public init(parsing text: String) throws(SNIPatternError) {
        let isWildcard = text.hasPrefix("*.")
        var name = (isWildcard ? text.dropFirst(2) : text[...]).utf8.map(SNIHostName.lowercased)
        if name.last == SNIHostName.dot { name.removeLast() }
        guard !SNIHostName.isAddress(name) else { throw SNIPatternError(text: text, problem: .address) }
        guard name.allSatisfy({ $0 < 0x80 }) else { throw SNIPatternError(text: text, problem: .notASCII) }
        guard !name.contains(UInt8(ascii: "*")) else { throw SNIPatternError(text: text, problem: .asterisk) }
        guard SNIHostName.isWellFormed(name) else { throw SNIPatternError(text: text, problem: .badName) }
        self.name = String(decoding: name, as: UTF8.self)
        self.isWildcard = isWildcard
    }
}

extension SNIPattern: CustomStringConvertible {
    /// The pattern in the form that ``init(parsing:)`` reads.
    public var description: String { isWildcard ? "*.\(name)" : name }
}

/// Error of parsing a pattern for SNI host names.
public struct SNIPatternError: Error, Hashable, Sendable {
    /// Cause of the error.
    public enum Problem: Hashable, Sendable {
        /// Not a valid host name.
        case badName
        /// Contains non-ASCII characters instead of the xn-- form (IDNA).
        case notASCII
        /// An IP address, for which TLS clients send no SNI.
        case address
        /// An asterisk that is not the first label.
        case asterisk
    }

    /// Text that was parsed.
    public let text: String
    /// What is wrong with it.
    public let problem: Problem
}

extension SNIPatternError: CustomStringConvertible {
    /// One sentence that states the cause and how to fix it.
    public var description: String {
        switch problem {
        case .badName:
            "'\(text)' is not a valid host name: write it as www.example.com or *.example.com"
        case .notASCII:
            "'\(text)' has non-ASCII characters: write it in the form that begins with xn--"
        case .address:
            "'\(text)' is an IP address, for which TLS clients send no SNI: write a host name"
        case .asterisk:
            "'\(text)' has an asterisk that is not the first label: write it as *.example.com"
        }
    }
}
