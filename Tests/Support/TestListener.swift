import CLinux
import Glibc
import Synchronization
package import Testing

/// A listening socket, by default on an ephemeral port. It is closed when it is deallocated.
package final class TestListener: Sendable {
    package let address: TestAddress
    private let state: Mutex<Int32?>
    private let backlog: Int
    private let limit: Duration

    /// - Parameters:
    ///   - backlog: as for `listen(2)`; with 0 a second connection stays in its handshake until the first is accepted.
    ///   - reusePort: sets SO_REUSEPORT, like another proxy that shares its port.
    ///   - receiveBuffer: SO_RCVBUF of the connections it accepts.
    ///   - limit: the timeout of each accept, and of the calls on accepted sockets.
    package init(
        on address: TestAddress = .loopback,
        backlog: Int32 = 4096,
        reusePort: Bool = false,
        receiveBuffer: Int32? = nil,
        limit: Duration = patience
    ) throws {
        let descriptor = try openStream(address.family)
        state = Mutex(descriptor)
        self.backlog = Int(backlog)
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

    /// The descriptor, to be passed to a program; nil once it is closed.
    package var descriptor: Int32? { state.withLock(\.self) }

    /// Waits for the next connection and returns it.
    ///
    /// - Throws: ``TimedOut`` if none arrives.
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

    /// Serves `count` connections in turn: receives "hello", answers "goodbye" and closes.
    package func greet(_ count: Int, at location: SourceLocation = #_sourceLocation) throws {
        for _ in 0..<count {
            let server = try accept(at: location)
            try server.receive("hello", at: location)
            try server.send("goodbye", at: location)
            server.close()
        }
    }

    /// Fills the accept queue, so that the next handshake is not answered. TCP only.
    ///
    /// - Returns: the clients in the queue: the kernel queues one more than the backlog.
    package func fill(at location: SourceLocation = #_sourceLocation) throws -> [TestSocket] {
        let clients = try (0...backlog).map { _ in try TestSocket.connect(to: address, limit: limit, at: location) }
        // The last segment of a handshake may reach the listener after the client's connect has returned.
        _ = try waited(for: "full queue", within: limit, at: location) { try waiting > backlog ? true : nil }
        return clients
    }

    /// Number of connections in the accept queue, which the kernel reports for a listener in the field of
    /// unacknowledged segments.
    private var waiting: Int {
        get throws {
            guard let descriptor = state.withLock({ $0 }) else { throw SystemFailure("closed listener", code: EBADF) }
            var facts = tcp_info()
            var length = socklen_t(MemoryLayout<tcp_info>.size)
            try retried("getsockopt") { getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &facts, &length) }
            return Int(facts.tcpi_unacked)
        }
    }

    /// Stops listening; connections that were not accepted are reset.
    package func close() {
        state.withLock { descriptor in
            if let open = descriptor {
                // Also ends listening on copies of the descriptor, which a program has until it calls exec: exit tests
                // are started by the testing library, whose starts cannot be excluded.
                shutdown(open, Int32(SHUT_RDWR))
                whileNoProgramStarts { _ = Glibc.close(open) }
            }
            descriptor = nil
        }
    }
}
