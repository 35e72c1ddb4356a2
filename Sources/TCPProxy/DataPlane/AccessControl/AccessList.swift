public import Sockets

/// An access list that admits or denies clients by address.
public struct AccessList: Sendable, Equatable {
    /// The maximum number of CIDR blocks in one list, allowed and denied together.
    public static let maxBlocks = 1_000_000

    private let table: CIDRTable<Bool>

    /// Creates a list in which the longest matching prefix decides.
    ///
    /// - Parameters:
    ///   - allow: blocks whose addresses are admitted.
    ///   - deny: blocks whose addresses are denied.
    ///   - otherwise: whether an address that matches no block is admitted; nil derives it from the lists: false if any
    ///     block is allowed, true otherwise.
    /// - Throws: ``AccessListError`` if a block is in both lists or if there are too many blocks.
    public init(
        allow: [CIDRBlock] = [],
        deny: [CIDRBlock] = [],
        otherwise: Bool? = nil
    ) throws(AccessListError) {
        guard allow.count + deny.count <= Self.maxBlocks else { throw .tooLong(allow.count + deny.count) }
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

    /// A list that admits no IP address.
    static let denyAll = AccessList(otherwise: false)

    /// Returns whether a client is admitted. Access to a Unix socket is controlled by the permissions of its file.
    public func admits(_ client: PeerAddress) -> Bool {
        switch client {
        case .internet(let address): table[address]
        case .unix: true
        }
    }
}

/// The reason why an access list is invalid.
public enum AccessListError: Error, Hashable, Sendable {
    /// The same block is both allowed and denied.
    case contradiction(CIDRBlock)
    /// The list has this many entries, which is more than the maximum.
    case tooLong(Int)
}

extension AccessListError: CustomStringConvertible {
    /// One sentence that states the error and how to fix it.
    public var description: String {
        switch self {
        case .contradiction(let block): "'\(block)' is both allowed and denied: remove it from one of the lists"
        case .tooLong(let count): "\(count) addresses to allow and deny: must be at most \(AccessList.maxBlocks)"
        }
    }
}
