import Sockets
import TCPProxy

// Indices for the validation of many listeners and pools, whose time is proportional to their number.

/// The pools of a file by name.
struct KnownPools {
    /// All names under the key, also of pools with errors, in file order; nil if the key is missing or no mapping.
    let names: Set<String>?
    let ordered: [String]

    init(_ written: YAMLNode?) {
        if case .mapping(let members) = written?.content {
            ordered = members.map(\.name)
            names = Set(ordered)
        } else {
            ordered = []
            names = nil
        }
    }
}

/// The addresses that are used so far, and by what.
struct TakenAddresses {
    private var owners: [(address: ServiceAddress, owner: String)] = []
    // Indices in `owners`; the addresses are normalized.
    private var first: [ServiceAddress: Int] = [:]
    private var byPort: [UInt16: [Int]] = [:]
    private var wildcards: [UInt16: [Int]] = [:]

    mutating func add(_ address: ServiceAddress, of owner: String) {
        let index = owners.count
        owners.append((address, owner))
        let normalized = address.normalized
        if first[normalized] == nil { first[normalized] = index }
        guard let port = address.port else { return }
        byPort[port, default: []].append(index)
        if address.isWildcard { wildcards[port, default: []].append(index) }
    }

    /// Returns the first address that a listener with this address would conflict with.
    func first(collidingWith address: ServiceAddress) -> (address: ServiceAddress, owner: String)? {
        // Different addresses with the same port conflict only if one of them is a wildcard.
        var candidates = first[address.normalized].map { [$0] } ?? []
        if let port = address.port { candidates += (address.isWildcard ? byPort : wildcards)[port] ?? [] }
        return candidates.filter { owners[$0].address.collides(with: address) }.min().map { owners[$0] }
    }
}

extension YAMLNode {
    /// The values of a mapping by key; empty for other nodes.
    var members: [String: YAMLNode] {
        guard case .mapping(let members) = content else { return [:] }
        return Dictionary(members.map { ($0.name, $0.value) }) { first, _ in first }
    }
}

extension ServiceAddress {
    /// Whether this is the address of all interfaces, of one family or both.
    fileprivate var isWildcard: Bool {
        guard case .socket(.internet(let address)) = self else { return false }
        return address.isWildcard
    }

    /// Returns whether two listeners with these addresses would conflict.
    func collides(with other: ServiceAddress) -> Bool {
        guard port != 0 else { return false }
        if normalized == other.normalized { return true }
        guard case .socket(.internet(let mine)) = self, case .socket(.internet(let others)) = other,
            mine.port == others.port
        else { return false }
        return mine.covers(others) || others.covers(mine)
    }
}

extension InternetAddress {
    fileprivate var isWildcard: Bool { high == 0 && (low == 0 || low == 0xFFFF_0000_0000) }

    /// Returns whether this is a wildcard address that includes the other address.
    fileprivate func covers(_ other: InternetAddress) -> Bool {
        // `::` also includes IPv4: listeners are dual-stack.
        if high == 0, low == 0 { return true }
        return isIPv4 && low == 0xFFFF_0000_0000 && other.isIPv4
    }
}
