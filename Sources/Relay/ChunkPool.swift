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

/// What all relays of a worker share: one buffer to receive into, and chunks for what could not be passed on.
public struct RelayBuffers: ~Copyable {
    /// Holds bytes only between a receive and the send that follows it.
    public let shared: UnsafeMutableRawBufferPointer
    public var chunks: ChunkPool

    /// - Parameter size: the most that is received at once, in bytes, and the size of a chunk.
    public init(size: Int = 32 * 1024) {
        shared = .allocate(byteCount: size, alignment: 4096)
        chunks = ChunkPool(chunkSize: size)
    }

    deinit {
        shared.deallocate()
    }
}
