import EventLoop
public import Sockets
import TLS

/// The buffers shared by all transformed endpoints of a worker. They take no memory until ``reserve(on:)``.
public struct TransformArena: ~Copyable {
    /// Where bytes are received that a transform decodes.
    @usableFromInline var input = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Where a transform stores bytes for the socket.
    @usableFromInline var output = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// The pool of buffers for encoded bytes that a socket has not accepted.
    @usableFromInline var chunks: ChunkPool

    /// The number of records that are sent with one call.
    @inlinable static var recordsPerSend: Int { 2 }

    init() {
        chunks = ChunkPool(chunkSize: Self.recordsPerSend * TransformBuffers.maxRecord)
    }

    deinit {
        if let start = input.baseAddress { MappedMemory.free(start, bytes: input.count) }
        if let start = output.baseAddress { MappedMemory.free(start, bytes: output.count) }
    }

    /// Allocates the buffers, unless that has been done; returns false if the system is out of memory.
    ///
    /// - Parameter size: the size of the input buffer in bytes.
    mutating func reserve<S: System & ~Copyable>(_ size: Int, on system: inout S) -> Bool {
        if input.baseAddress == nil {
            guard let start = system.allocatePages(size, alignedTo: 1) else { return false }
            input = UnsafeMutableRawBufferPointer(start: start, count: size)
        }
        if output.baseAddress == nil {
            guard let start = system.allocatePages(chunks.chunkSize, alignedTo: 1) else { return false }
            output = UnsafeMutableRawBufferPointer(start: start, count: chunks.chunkSize)
        }
        return true
    }
}

extension RelayBuffers {
    /// The number of buffers with encoded bytes that a socket has not accepted.
    public var encodedChunks: Int { transforms.chunks.taken }

    /// Allocates the buffers for transforms, unless that has been done; returns false if the system is out of memory.
    public mutating func reserveForTransforms<S: System & ~Copyable>(on system: inout S) -> Bool {
        transforms.reserve(shared.count, on: &system)
    }
}
