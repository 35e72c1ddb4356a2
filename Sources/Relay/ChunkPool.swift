import EventLoop

/// A pool of buffers for bytes that a sink has not accepted. Only a stalled direction holds a buffer.
///
/// A limited number of unused buffers is kept for reuse; the others are returned to the system immediately.
public struct ChunkPool: ~Copyable {
    /// The size of a chunk in bytes.
    public let chunkSize: Int
    /// The maximum number of unused chunks that are kept.
    public let spareLimit: Int
    private let spares: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// The number of unused chunks.
    public private(set) var spareCount = 0
    /// The number of chunks in use.
    public private(set) var taken = 0

    public init(chunkSize: Int, spareLimit: Int = 16) {
        self.chunkSize = chunkSize
        self.spareLimit = spareLimit
        spares = .allocate(capacity: spareLimit)
    }

    deinit {
        precondition(taken == 0, "\(taken) chunks were never returned")
        var index = spareCount
        while index > 0 {
            index -= 1
            MappedMemory.free(spares[index], bytes: chunkSize)
        }
        spares.deallocate()
    }

    public mutating func take() -> UnsafeMutableRawPointer {
        taken += 1
        if spareCount > 0 {
            spareCount -= 1
            return spares[spareCount]
        }
        return MappedMemory(bytes: chunkSize).base
    }

    public mutating func release(_ chunk: UnsafeMutableRawPointer) {
        taken -= 1
        if spareCount < spareLimit {
            spares[spareCount] = chunk
            spareCount += 1
        } else {
            MappedMemory.free(chunk, bytes: chunkSize)
        }
    }
}

/// The resources shared by all relays of a worker: a receive buffer, chunks for undelivered bytes, and pipes.
public struct RelayBuffers: ~Copyable {
    /// The receive buffer. It holds bytes only between a receive and the following send.
    public let shared: UnsafeMutableRawBufferPointer
    /// The pool of chunks for undelivered bytes.
    public var chunks: ChunkPool
    /// The pool of pipes for spliced transfers.
    public var pipes: PipePool
    /// The copy or splice engine.
    public let engine: Engine
    /// The policy for batched reads.
    public let batching: BatchingPolicy

    /// - Parameters:
    ///   - size: The maximum size of one copied transfer and the size of a chunk, in bytes.
    ///   - engine: Whether directions copy or splice.
    ///   - pipes: The maximum number of pipes in use.
    ///   - batching: When directions batch their reads.
    public init(
        size: Int = 32 * 1024,
        engine: Engine = .auto,
        pipes: Int = 32,
        batching: BatchingPolicy = BatchingPolicy()
    ) {
        shared = .allocate(byteCount: size, alignment: 4096)
        chunks = ChunkPool(chunkSize: size)
        self.pipes = PipePool(limit: engine == .copy ? 0 : pipes)
        self.engine = engine
        self.batching = batching
    }

    deinit {
        shared.deallocate()
    }
}
