/// An element of the list of trusted proxies: a network, or `unix` for all programs that connect to a Unix socket.
package enum TrustedSource: Hashable, Sendable {
    case network(CIDRBlock)
    case unix

    /// - Throws: ``CIDRBlockError``.
    package init(parsing text: String) throws(CIDRBlockError) {
        if text == "unix" {
            self = .unix
        } else {
            self = .network(try CIDRBlock(parsing: text))
        }
    }
}

extension TrustedSource: CustomStringConvertible {
    /// The form that ``init(parsing:)`` reads.
    package var description: String {
        switch self {
        case .network(let block): block.description
        case .unix: "unix"
        }
    }
}
