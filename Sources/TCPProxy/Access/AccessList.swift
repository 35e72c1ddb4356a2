public import Sockets

/// Which clients may come in, by their addresses.
public struct AccessList: Sendable, Equatable {
    /// The most blocks that one list can have, allowed and denied together.
    public static let longest = 1_000_000

    private let table: CIDRTable<Bool>

    /// Of the blocks that an address is in, the one with the longest prefix decides.
    ///
    /// - Parameter otherwise: whether an address in none of them may come in; nil for what follows from the lists: where
    ///   some are allowed, others are not.
    /// - Throws: an entry that is in both lists, or that there are too many of them.
    public init(
        allow: [AddressBlock] = [],
        deny: [AddressBlock] = [],
        otherwise: Bool? = nil
    ) throws(AccessListError) {
        guard allow.count + deny.count <= Self.longest else { throw .tooLong(allow.count + deny.count) }
        let allowed = Set(allow)
        if let both = deny.first(where: allowed.contains) { throw .contradiction(both) }
        table = CIDRTable(
            allow.lazy.map { (block: $0, value: true) } + deny.lazy.map { (block: $0, value: false) },
            otherwise: otherwise ?? allow.isEmpty
        )
    }

    private init(otherwise: Bool) {
        table = CIDRTable([], otherwise: otherwise)
    }

    /// Lets no Internet address in.
    static let nobody = AccessList(otherwise: false)

    /// Whether a client may come in. Who may come by a Unix socket is for the permissions of its file to say.
    public func admits(_ client: PeerAddress) -> Bool {
        switch client {
        case .internet(let address): table[address]
        case .unix: true
        }
    }
}

/// Why blocks of addresses make no list.
public enum AccessListError: Error, Hashable, Sendable {
    /// The same block is allowed and denied.
    case contradiction(AddressBlock)
    /// So many entries.
    case tooLong(Int)
}

extension AccessListError: CustomStringConvertible {
    /// One sentence that says what is wrong and how to mend it.
    public var description: String {
        switch self {
        case .contradiction(let block):
            "'\(block)' is both allowed and denied: take it out of one of the lists"
        case .tooLong(let count):
            "\(count) addresses to allow and deny are more than the \(AccessList.longest) that a list can have"
        }
    }
}
