import Glibc

/// A port that is bound and not listened on, so that connections to it are refused and no other test listens there.
package final class ReservedPort: Sendable {
    private let descriptor: Int32

    /// - Throws: `SystemFailure` if the port is in use at this address.
    package init(_ address: TestAddress) throws {
        let socket = Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw SystemFailure("socket", code: errno) }
        guard try address.withSystemAddress({ bind(socket, $0, $1) }) == 0 else {
            let code = errno
            close(socket)
            throw SystemFailure("bind", code: code)
        }
        descriptor = socket
    }

    deinit { close(descriptor) }
}

extension TestListener {
    /// Listens on a port at one address, and reserves the port at others, where connections are refused.
    package static func alone(
        on host: String,
        of hosts: [String]
    ) throws -> (listener: TestListener, reserved: [ReservedPort]) {
        for _ in 0..<100 {
            let listener = try TestListener(on: .ip(host, port: 0))
            let others = hosts.filter { $0 != host }
            if let reserved = try? others.map({ try ReservedPort(.ip($0, port: listener.port)) }) {
                return (listener, reserved)
            }
            // Another program uses the port at one of them.
            listener.close()
        }
        throw SystemFailure("bind", code: EADDRINUSE)
    }
}
