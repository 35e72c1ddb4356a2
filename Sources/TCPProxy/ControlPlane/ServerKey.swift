import Sockets

/// The identity of a server within a pool, valid as long as the pool contains the server.
package struct ServerKey: Hashable, Sendable {
    package let pool: Int
    package let id: Int
    let serial: Int

    /// The serial is unique among all servers of the process.
    package func hash(into hasher: inout Hasher) { hasher.combine(serial) }
}
