/// The first available server in configuration order. The others are used only if it fails or is full.
public struct First: Sendable {
    public init() {}

    /// Selects the server for a new connection; returns nil if none is available.
    @inlinable
    public func pick<V: ServerView & ~Copyable>(from view: borrowing V) -> Int? {
        pick(from: view, among: Candidates(backups: false)) ?? pick(from: view, among: Candidates(backups: true))
    }

    @inlinable
    func pick<V: ServerView & ~Copyable>(from view: borrowing V, among candidates: Candidates) -> Int? {
        for server in 0..<view.count where view.weight(of: server, among: candidates) > 0 { return server }
        return nil
    }
}
