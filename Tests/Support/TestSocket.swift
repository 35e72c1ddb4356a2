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
    private let limit: Duration

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

// MARK: - Receiving

extension TestSocket {
    /// The data received up to the end of the stream, and how the stream ended.
    package struct Rest: Sendable, Equatable {
        package let bytes: [UInt8]
        package let end: StreamEnd

        package init(bytes: [UInt8], end: StreamEnd) {
            self.bytes = bytes
            self.end = end
        }

        package var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// Receives what has arrived, waiting until there is some: at most `count` bytes, none at a FIN.
    ///
    /// - Throws: ``SystemFailure`` with ECONNRESET on a reset, ``TimedOut`` if nothing arrives.
    package func receive(upTo count: Int, at location: SourceLocation = #_sourceLocation) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, received in
            received = try receive(into: UnsafeMutableRawBufferPointer(buffer), at: location)
        }
    }

    /// Receives exactly this many bytes.
    ///
    /// - Throws: ``Unexpected`` if the stream ends before.
    package func receive(exactly count: Int, at location: SourceLocation = #_sourceLocation) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, received in
            while received < count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[received...])
                let more = try receive(into: rest, at: location)
                guard more > 0 else {
                    throw Unexpected("the stream ended after \(received) of \(count) bytes", at: location)
                }
                received += more
            }
        }
    }

    /// Receives the text `expected`, and nothing after it.
    package func receive(_ expected: String, at location: SourceLocation = #_sourceLocation) throws {
        let received = String(decoding: try receive(exactly: expected.utf8.count, at: location), as: UTF8.self)
        guard received == expected else { throw Unexpected("received “\(received)”, not “\(expected)”", at: location) }
    }

    /// Receives `count` bytes, which must be those of `pattern` from its byte `offset` on.
    package func receive(
        _ pattern: Pattern,
        from offset: Int = 0,
        count: Int,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        let (received, end) = try receiveAll(of: pattern, from: offset, atMost: count, at: location)
        if let end {
            throw Unexpected("the stream ended with \(end) after \(received) of \(count) bytes", at: location)
        }
    }

    /// Receives to the end of the stream. All bytes must be those of `pattern` from its byte `offset` on.
    package func receiveRest(
        of pattern: Pattern,
        from offset: Int = 0,
        at location: SourceLocation = #_sourceLocation
    ) throws -> (count: Int, end: StreamEnd) {
        let (received, end) = try receiveAll(of: pattern, from: offset, atMost: .max, at: location)
        return (received, end!)
    }

    private func receiveAll(
        of pattern: Pattern,
        from offset: Int,
        atMost limit: Int,
        at location: SourceLocation
    ) throws -> (count: Int, end: StreamEnd?) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var received = 0
        while received < limit {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(limit - received))
            switch try receiveOrEnd(into: part, at: location) {
            case .end(let end): return (received, end)
            case .bytes(let count):
                try pattern.check(
                    UnsafeRawBufferPointer(rebasing: part.prefix(count)),
                    at: offset + received,
                    from: location
                )
                received += count
            }
        }
        return (received, nil)
    }

    /// Receives to the end of the stream.
    ///
    /// - Throws: ``Unexpected`` if more than `limit` bytes arrive, ``TimedOut`` if neither bytes nor an end arrive.
    package func receiveRest(limit: Int = 16 << 20, at location: SourceLocation = #_sourceLocation) throws -> Rest {
        var bytes: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while bytes.count <= limit {
            switch try receiveOrEnd(into: buffer, at: location) {
            case .end(let end): return Rest(bytes: bytes, end: end)
            case .bytes(let count): bytes.append(contentsOf: buffer.prefix(count))
            }
        }
        throw Unexpected("more than \(limit) bytes came", at: location)
    }

    /// Returns the data available without waiting; nil if there is none.
    package func receiveWithoutWaiting(upTo count: Int = 64 << 10) throws -> [UInt8]? {
        let descriptor = try descriptor
        do {
            return try [UInt8](unsafeUninitializedCapacity: count) { buffer, received in
                let base = buffer.baseAddress
                received = try retried("recv") { recv(descriptor, base, count, Int32(MSG_DONTWAIT)) }
            }
        } catch let failure as SystemFailure where failure.code == EAGAIN {
            return nil
        }
    }

    private enum Received {
        case bytes(Int)
        case end(StreamEnd)
    }

    private func receiveOrEnd(
        into buffer: UnsafeMutableRawBufferPointer,
        at location: SourceLocation
    ) throws -> Received {
        do {
            let count = try receive(into: buffer, at: location)
            return count > 0 ? .bytes(count) : .end(.fin)
        } catch let failure as SystemFailure where failure.code == ECONNRESET {
            return .end(.reset)
        }
    }

    private func receive(into buffer: UnsafeMutableRawBufferPointer, at location: SourceLocation) throws -> Int {
        let descriptor = try descriptor
        do {
            return try retried("recv") { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
        } catch let failure as SystemFailure where failure.code == EAGAIN {
            throw TimedOut(waitingFor: "bytes", after: limit, at: location)
        } catch let failure as SystemFailure {
            throw failure.at(location)
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
