public import Randomness

/// The client's key looked up in a ``MaglevTable``: all replicas of the proxy select the same server.
///
/// The clients of an unavailable server are spread over the others by rehashing their keys, up to a fixed number of
/// times. A client still without a server gets one of the available servers by weight. The result depends only on the
/// key and on the availability of the servers, so replicas agree in this case too.
public struct Maglev: Sendable {
    /// The maximum number of lookups per key before the servers are scanned. If half of the servers are unavailable,
    /// one key in 256 remains after that.
    @inlinable public static var tryLimit: Int { 8 }

    @usableFromInline let table: MaglevTable

    public init(table: MaglevTable) {
        self.table = table
    }

    /// Selects the server for a new connection; returns nil if none is available.
    ///
    /// - Parameter key: The key of the client: ``KeyHash/address(high:low:)`` or any other number.
    @inlinable
    public func pick<V: ServerView & ~Copyable>(from view: borrowing V, key: UInt64) -> Int? {
        var hash = SplitMix64.mix(key)
        let primaries = Candidates(backups: false)
        for _ in 0..<Self.tryLimit {
            guard let server = table.server(for: hash), server < view.count else { break }
            if view.weight(of: server, among: primaries) > 0 { return server }
            hash = SplitMix64.mix(hash)
        }
        return SourceHash.pick(from: view, hash: hash, among: primaries)
            ?? SourceHash.pick(from: view, hash: hash, among: Candidates(backups: true))
    }
}
