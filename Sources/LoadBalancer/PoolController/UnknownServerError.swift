extension PoolController {
    /// A request that names an unknown server or pool.
    public enum UnknownServerError: Error, Hashable, Sendable {
        /// There is no pool with this name.
        case pool(String)
        /// The pool has no server with this name.
        case server(String, pool: String)
    }
}

extension PoolController.UnknownServerError: CustomStringConvertible {
    /// One sentence: what is unknown, and where to find the names.
    public var description: String {
        switch self {
        case .pool(let pool): "unknown pool '\(pool)': /pools lists all pools"
        case .server(let server, let pool): "unknown server '\(server)' in pool \(pool): /pools lists all servers"
        }
    }
}
