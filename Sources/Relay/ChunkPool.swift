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
