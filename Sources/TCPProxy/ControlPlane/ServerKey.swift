import Sockets

/// The identity of a server within a pool, valid as long as the pool contains the server.
package struct ServerKey: Hashable, Sendable {
    package let pool: Int
    package let id: Int
    let serial: Int
}
