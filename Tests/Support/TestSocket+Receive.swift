import CLinux
import Glibc
import Synchronization
package import Testing

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
