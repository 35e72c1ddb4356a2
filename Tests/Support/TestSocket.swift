import CLinux
import Glibc
import Synchronization
package import Testing

/// The way in which a stream ended.
package enum StreamEnd: Sendable, Equatable {
    /// End of stream: the peer sends no more data.
    case fin
    /// The connection was reset: ECONNRESET.
    case reset
}

/// A connected stream socket with blocking calls, each with a timeout, so that no test can hang in one.
///
/// One thread may send while another receives. It is closed when it is deallocated.
package final class TestSocket: Sendable {
    private let state: Mutex<Int32?>
    let limit: Duration

    /// Takes ownership of a connected descriptor.
    init(adopting descriptor: Int32, limit: Duration) throws {
        state = Mutex(descriptor)
        self.limit = limit
        try setDeadlines(of: descriptor, to: limit)
    }

    deinit { close() }

    /// Connects, from `source` if given.
    ///
    /// - Parameters:
    ///   - limit: the timeout of the connect and of each later call.
    ///   - receiveBuffer: SO_RCVBUF, set before the connect, so that the window is small from the start.
    package static func connect(
        to address: TestAddress,
        from source: TestAddress? = nil,
        limit: Duration = patience,
        receiveBuffer: Int32? = nil,
        at location: SourceLocation = #_sourceLocation
    ) throws -> TestSocket {
        let socket = try TestSocket(adopting: openStream(address.family), limit: limit)
        let descriptor = try socket.descriptor
        if let receiveBuffer { try setOption(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        if let source {
            try source.withSystemAddress { address, length in
                _ = try retried("bind") { bind(descriptor, address, length) }
            }
        }
        do {
            try address.withSystemAddress { address, length in
                _ = try retried("connect") { Glibc.connect(descriptor, address, length) }
            }
        } catch let failure as SystemFailure where failure.code == EINPROGRESS || failure.code == EAGAIN {
            throw TimedOut(waitingFor: "connection to \(address)", after: limit, at: location)
        } catch let failure as SystemFailure {
            throw failure.at(location)
        }
        return socket
    }

    /// The descriptor, for an option or a query that has no method here.
    ///
    /// - Throws: ``SystemFailure`` with EBADF once the socket is closed.
    package var descriptor: Int32 {
        get throws {
            guard let descriptor = state.withLock({ $0 }) else { throw SystemFailure("closed socket", code: EBADF) }
            return descriptor
        }
    }

    package var localAddress: TestAddress {
        get throws { try .asked(of: descriptor) { getsockname($0, $1, $2) } }
    }

    package var peerAddress: TestAddress {
        get throws { try .asked(of: descriptor) { getpeername($0, $1, $2) } }
    }

    /// Bytes sent and not yet acknowledged by the peer's kernel.
    package var unacknowledged: Int {
        get throws { try count(UInt(TIOCOUTQ)) }
    }

    /// Bytes received by the kernel and not yet read.
    package var readable: Int {
        get throws { try count(UInt(FIONREAD)) }
    }

    private func count(_ request: UInt) throws -> Int {
        let descriptor = try descriptor
        var count: Int32 = 0
        try retried("ioctl") { ioctl(descriptor, request, &count) }
        return Int(count)
    }
}

// MARK: - Sending

extension TestSocket {
    package func send(_ text: String, at location: SourceLocation = #_sourceLocation) throws {
        try send(Array(text.utf8), at: location)
    }

    package func send(_ bytes: [UInt8], at location: SourceLocation = #_sourceLocation) throws {
        try bytes.withUnsafeBytes { try send($0, at: location) }
    }

    /// Sends `count` bytes of a pattern, starting at its byte `offset`.
    package func send(
        _ pattern: Pattern,
        from offset: Int = 0,
        count: Int,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        var sent = 0
        while sent < count {
            sent += try pattern.withBytes(from: offset + sent, count: count - sent) { bytes in
                try send(bytes, at: location)
                return bytes.count
            }
        }
    }

    private func send(_ bytes: UnsafeRawBufferPointer, at location: SourceLocation) throws {
        let descriptor = try descriptor
        var rest = bytes[...]
        while !rest.isEmpty {
            do {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                let count = try retried("send") {
                    Glibc.send(descriptor, part.baseAddress, part.count, Int32(MSG_NOSIGNAL))
                }
                rest = rest.dropFirst(count)
            } catch let failure as SystemFailure where failure.code == EAGAIN {
                throw TimedOut(
                    waitingFor: "room to send \(rest.count) of \(bytes.count) bytes",
                    after: limit,
                    at: location
                )
            } catch let failure as SystemFailure {
                throw failure.at(location)
            }
        }
    }

    /// Sends as much as fits without blocking; returns the number of bytes sent.
    package func sendWithoutWaiting(_ bytes: [UInt8]) throws -> Int {
        try bytes.withUnsafeBytes { try sendWithoutWaiting($0) }
    }

    /// Sends as much as fits without blocking; returns the number of bytes sent.
    package func sendWithoutWaiting(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        let descriptor = try descriptor
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        do {
            return try retried("send") { Glibc.send(descriptor, bytes.baseAddress, bytes.count, flags) }
        } catch let failure as SystemFailure where failure.code == EAGAIN {
            return 0
        }
    }

    /// Half-closes the connection with a FIN; receiving continues.
    package func finish() throws {
        let descriptor = try descriptor
        try retried("shutdown") { shutdown(descriptor, Int32(SHUT_WR)) }
    }

    /// Closes with a reset (SO_LINGER with a zero timeout): queued data is discarded and the peer receives an RST.
    package func reset() throws {
        let descriptor = try descriptor
        var noTime = linger(l_onoff: 1, l_linger: 0)
        try retried("setsockopt") {
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &noTime, socklen_t(MemoryLayout<linger>.size))
        }
        close()
    }

    /// Closes the socket. With unread data the kernel sends a reset.
    package func close() {
        state.withLock { descriptor in
            if let open = descriptor { Glibc.close(open) }
            descriptor = nil
        }
    }
}

/// Waits until connections to an address are refused. A listener closed by a test keeps listening for a moment while
/// another test starts a program, which has copies of all descriptors until it calls exec.
package func expectRefusal(at address: TestAddress, from location: SourceLocation = #_sourceLocation) async throws {
    try await eventually("refusal of connections to \(address)", at: location) {
        do {
            try TestSocket.connect(to: address, at: location).close()
            return false
        } catch let failure as SystemFailure where failure.code == ECONNREFUSED {
            return true
        }
    }
}

// MARK: - Options

func openStream(_ family: Int32) throws -> Int32 {
    try retried("socket") { socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
}

func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws {
    var value = value
    try retried("setsockopt") {
        setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}

/// Sets the timeout of each receive, accept, send and connect.
func setDeadlines(of descriptor: Int32, to limit: Duration) throws {
    let (seconds, attoseconds) = limit.components
    var time = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
    for name in [SO_RCVTIMEO, SO_SNDTIMEO] {
        try retried("setsockopt") {
            setsockopt(descriptor, SOL_SOCKET, name, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }
}
