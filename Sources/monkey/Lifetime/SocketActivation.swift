import Glibc
import LoadBalancer
import ProcessSupport
import Sockets

/// The sockets that the service manager opened for this process, matched by name to listeners and the admin endpoint.
struct SocketActivation: Sendable {
    /// The name of the socket of the admin endpoint.
    private static let adminName = "admin"
    /// The name of the socket of the only listener of `monkey proxy` and `monkey balance`.
    static let listenName = "listen"

    /// The sockets by the names of their listeners.
    let listeners: [String: InheritedSocket]
    let admin: InheritedSocket?

    /// - Parameters:
    ///   - names: the names of the listeners.
    ///   - hasAdmin: whether the admin endpoint is enabled.
    /// - Throws: ``CommandError`` if a socket matches nothing or cannot be used.
    init(listeners names: [String], hasAdmin: Bool) throws(CommandError) {
        do throws(InheritedSocketsError) {
            var sockets = try InheritedSockets(
                environment: { name in getenv(name).map { String(cString: $0) } },
                process: getpid()
            )
            admin = hasAdmin ? sockets.take(Self.adminName) : nil
            var found: [String: InheritedSocket] = [:]
            for name in names { found[name] = sockets.take(name) }
            listeners = found
            try sockets.requireNoneLeft(known: names + (hasAdmin ? [Self.adminName] : []))
        } catch {
            throw CommandError(error.description)
        }
    }
}
