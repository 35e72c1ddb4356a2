import Workers

/// Buffers for bytes that a sink would not take: one for each stalled half, none for others.
///
/// A few are kept for the next; the rest goes back to the system at once.
public struct ChunkPool: ~Copyable {
    /// In bytes, of each chunk.
    public let chunkSize: Int
    /// How many unused chunks are kept.
    public let spareLimit: Int
    private let spares: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// Unused chunks that are kept.
    public private(set) var spareCount = 0
    /// Chunks that are in use.
    public private(set) var taken = 0

    public init(chunkSize: Int, spareLimit: Int = 16) {
        self.chunkSize = chunkSize
        self.spareLimit = spareLimit
        spares = .allocate(capacity: spareLimit)
    }

    deinit {
        precondition(taken == 0, "\(taken) chunks were never given back")
        var index = spareCount
        while index > 0 {
            index -= 1
            Pages.free(spares[index], bytes: chunkSize)
        }
        spares.deallocate()
    }

    public mutating func take() -> UnsafeMutableRawPointer {
        taken += 1
        if spareCount > 0 {
            spareCount -= 1
            return spares[spareCount]
        }
        return Pages(bytes: chunkSize).base
    }

    public mutating func giveBack(_ chunk: UnsafeMutableRawPointer) {
        taken -= 1
        if spareCount < spareLimit {
            spares[spareCount] = chunk
            spareCount += 1
        } else {
            Pages.free(chunk, bytes: chunkSize)
        }
    }
}

/// What all relays of a worker share: a buffer to receive into, chunks for what could not be passed on, and pipes.
public struct RelayBuffers: ~Copyable {
    /// Holds bytes only between a receive and the send that follows it.
    public let shared: UnsafeMutableRawBufferPointer
    /// Holds what could not be passed on.
    public var chunks: ChunkPool
    /// For transfers that are spliced.
    public var pipes: PipePool
    /// When to splice.
    public let engine: Engine
    /// When to batch reads.
    public let batching: BatchingPolicy

    /// - Parameters:
    ///   - size: the most that is copied at once, in bytes, and the size of a chunk.
    ///   - engine: whether halves copy or splice.
    ///   - pipes: the most pipes in use at once.
    ///   - batching: when halves batch their reads.
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
