import CLinux
import Glibc
import Synchronization
package import Testing

/// A listening socket, on a port of the system's choice unless told otherwise. It is closed when it is released.
package final class TestListener: Sendable {
    package let address: TestAddress
    private let state: Mutex<Int32?>
    private let limit: Duration

    /// - Parameters:
    ///   - backlog: as for `listen(2)`; with 0 the second connection that nobody accepts stays in its handshake.
    ///   - reusePort: sets SO_REUSEPORT, as another proxy that shares its port would.
    ///   - receiveBuffer: SO_RCVBUF of the connections it accepts.
    ///   - limit: the deadline of each accept, and of the calls on what it accepts.
    package init(
        on address: TestAddress = .loopback,
        backlog: Int32 = 4096,
        reusePort: Bool = false,
        receiveBuffer: Int32? = nil,
        limit: Duration = patience
    ) throws {
        let descriptor = try openStream(address.family)
        state = Mutex(descriptor)
        self.limit = limit
        do {
            try setDeadlines(of: descriptor, to: limit)
            if address.family != AF_UNIX {
                try setOption(descriptor, SOL_SOCKET, reusePort ? SO_REUSEPORT : SO_REUSEADDR, 1)
            }
            if let receiveBuffer { try setOption(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
            try address.withSystemAddress { address, length in
                _ = try retried("bind") { bind(descriptor, address, length) }
            }
            try retried("listen") { listen(descriptor, backlog) }
            self.address = try .asked(of: descriptor) { getsockname($0, $1, $2) }
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    deinit { close() }

    package var port: UInt16 { address.port }

    /// The next connection, waiting for one.
    ///
    /// - Throws: ``TimedOut`` when none comes.
    package func accept(at location: SourceLocation = #_sourceLocation) throws -> TestSocket {
        guard let descriptor = state.withLock({ $0 }) else { throw SystemFailure("closed listener", code: EBADF) }
        do {
            let flags = Int32(SOCK_CLOEXEC.rawValue)
            let accepted = try retried("accept4") { accept4(descriptor, nil, nil, flags) }
            return try TestSocket(adopting: accepted, limit: limit)
        } catch let failure as SystemFailure where failure.code == EAGAIN {
            throw TimedOut(waitingFor: "connection", after: limit, at: location)
        }
    }

    /// Stops listening; a connection nobody accepted is reset.
    package func close() {
        state.withLock { descriptor in
            if let open = descriptor { whileNoProgramStarts { _ = Glibc.close(open) } }
            descriptor = nil
        }
    }
}
