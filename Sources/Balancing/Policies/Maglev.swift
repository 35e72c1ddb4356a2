/// The client's key through a ``MaglevTable``: the same server from every replica of the proxy.
///
/// The clients of a server that is not available are spread over the others by hashing their keys again, a bounded number
/// of times; whoever then still has none gets one of those that are available by weight. All of it depends on the key and
/// on who is available, and on nothing else, so replicas agree here too.
public struct Maglev: Sendable {
    /// How often a key is hashed before the servers are looked through. If half of them are away, one key in 256 is left.
    @inlinable public static var tryLimit: Int { 8 }

    @usableFromInline let table: MaglevTable

    public init(table: MaglevTable) {
        self.table = table
    }

    /// The server for a new connection, or nil if none is available.
    ///
    /// - Parameter key: of the client; ``KeyHash/address(high:low:)`` or any other number.
    @inlinable
    public func pick<V: ServerView & ~Copyable>(from view: borrowing V, key: UInt64) -> Int? {
        var hash = KeyHash.mix(key)
        let primaries = Candidates(backups: false)
        for _ in 0..<Self.tryLimit {
            guard let server = table.server(for: hash), server < view.count else { break }
            if view.weight(of: server, among: primaries) > 0 { return server }
            hash = KeyHash.mix(hash)
        }
        return SourceHash.pick(from: view, hash: hash, among: primaries)
            ?? SourceHash.pick(from: view, hash: hash, among: Candidates(backups: true))
    }
}
