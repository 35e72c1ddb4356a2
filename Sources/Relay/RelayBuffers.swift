/// The resources shared by all relays of a worker: a receive buffer, chunks for undelivered bytes, and pipes.
public struct RelayBuffers: ~Copyable {
    /// The receive buffer. It holds bytes only between a receive and the following send.
    public let shared: UnsafeMutableRawBufferPointer
    /// The pool of chunks for undelivered bytes.
    public var chunks: ChunkPool
    /// The pool of pipes for spliced transfers.
    public var pipes: PipePool
    /// The buffers of transformed endpoints.
    @usableFromInline var transforms = TransformArena()
    /// The copy or splice engine.
    public let engine: RelayEngine
    /// The policy for batched reads.
    public let batching: BatchingPolicy

    /// - Parameters:
    ///   - size: The maximum size of one copied transfer and the size of a chunk, in bytes.
    ///   - engine: Whether directions copy or splice.
    ///   - pipes: The maximum number of pipes in use.
    ///   - batching: When directions batch their reads.
    public init(
        size: Int = 32 * 1024,
        engine: RelayEngine = .auto,
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
