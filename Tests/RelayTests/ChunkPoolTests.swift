import Relay
import Testing

@Suite("ChunkPool")
struct ChunkPoolTests {
    @Test("a released chunk is reused")
    func reuses() {
        var pool = ChunkPool(chunkSize: 4096)
        let first = pool.take()
        pool.release(first)
        let second = pool.take()
        #expect(first == second)
        pool.release(second)
        #expect(pool.taken == 0)
    }

    @Test("chunks do not overlap, and have the stated size")
    func distinct() {
        var pool = ChunkPool(chunkSize: 4096, spareLimit: 4)
        let chunks = (0..<20).map { _ in pool.take() }
        #expect(pool.taken == 20)
        for (index, chunk) in chunks.enumerated() {
            chunk.initializeMemory(as: UInt8.self, repeating: UInt8(index), count: 4096)
        }
        for (index, chunk) in chunks.enumerated() {
            let bytes = UnsafeRawBufferPointer(start: chunk, count: 4096)
            #expect(bytes.allSatisfy { $0 == UInt8(index) })
        }
        for chunk in chunks { pool.release(chunk) }
        #expect(pool.taken == 0)
    }

    @Test("a limited number of released chunks is kept")
    func sparesAreBounded() {
        var pool = ChunkPool(chunkSize: 4096, spareLimit: 2)
        let chunks = (0..<5).map { _ in pool.take() }
        for chunk in chunks { pool.release(chunk) }
        #expect(pool.spareCount == 2)
        let again = [pool.take(), pool.take()]
        #expect(pool.spareCount == 0)
        #expect(Set(again) == Set(chunks[..<2]))
        for chunk in again { pool.release(chunk) }
    }

    @Test("destroying a pool with a chunk in use traps")
    func leak() async {
        await #expect(processExitsWith: .failure) {
            var pool = ChunkPool(chunkSize: 4096)
            _ = pool.take()
        }
    }
}
