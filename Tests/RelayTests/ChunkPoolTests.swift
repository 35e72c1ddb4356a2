import FakeSystem
import Relay
import Sockets
import Support
import Testing

@Suite("ChunkPool")
struct ChunkPoolTests {
    private let world = FakeWorld()

    private func makeSystem() -> FakeSystem { FakeSystem(in: world, wakerToken: Token(bits: 0)) }

    @Test("a released chunk is reused")
    func reuses() throws {
        var system = makeSystem()
        var pool = ChunkPool(chunkSize: 4096)
        let taken = pool.take(on: &system)
        let first = try #require(taken)
        pool.release(first)
        let retaken = pool.take(on: &system)
        let second = try #require(retaken)
        #expect(first == second)
        pool.release(second)
        #expect(pool.taken == 0)
    }

    @Test("chunks do not overlap, and have the stated size", arguments: [8, 4096, 5000, 32_768])
    func distinct(size: Int) {
        var system = makeSystem()
        var pool = ChunkPool(chunkSize: size, spareLimit: 4)
        let chunks = (0..<200).compactMap { _ in pool.take(on: &system) }
        #expect(pool.taken == 200)
        for (index, chunk) in chunks.enumerated() {
            chunk.initializeMemory(as: UInt8.self, repeating: UInt8(index), count: size)
        }
        // The memory of a released chunk is returned without touching its neighbors.
        for index in stride(from: 1, to: chunks.count, by: 2) { pool.release(chunks[index]) }
        for index in stride(from: 0, to: chunks.count, by: 2) {
            let bytes = UnsafeRawBufferPointer(start: chunks[index], count: size)
            #expect(bytes.allSatisfy { $0 == UInt8(index) })
        }
        for index in stride(from: 0, to: chunks.count, by: 2) { pool.release(chunks[index]) }
        #expect(pool.taken == 0)
    }

    @Test("a limited number of released chunks is kept")
    func sparesAreBounded() {
        var system = makeSystem()
        var pool = ChunkPool(chunkSize: 4096, spareLimit: 2)
        let chunks = (0..<5).compactMap { _ in pool.take(on: &system) }
        for chunk in chunks { pool.release(chunk) }
        #expect(pool.spareCount == 2)
        let again = [pool.take(on: &system), pool.take(on: &system)].compactMap { $0 }
        #expect(pool.spareCount == 0)
        #expect(Set(again) == Set(chunks[..<2]))
        for chunk in again { pool.release(chunk) }
    }

    @Test("many chunks, taken and released in any order, need few mappings")
    func fewMappings() {
        var system = makeSystem()
        var pool = ChunkPool(chunkSize: 32_768)
        let count = 20_000
        let most = count / ChunkPool.chunksPerSlab + 1
        var chunks = (0..<count).compactMap { _ in pool.take(on: &system) }
        #expect(pool.slabs == most)
        for index in stride(from: 0, to: count, by: 2) { pool.release(chunks[index]) }
        for index in stride(from: 0, to: count, by: 2) {
            if let chunk = pool.take(on: &system) { chunks[index] = chunk }
        }
        #expect(Set(chunks).count == count)
        #expect(pool.slabs == most)
        for chunk in chunks { pool.release(chunk) }
        #expect(pool.slabs <= pool.spareLimit)
    }

    @Test("if the system refuses memory, no chunk is returned and the refusal is counted")
    func refused() throws {
        var system = makeSystem()
        var pool = ChunkPool(chunkSize: 4096, spareLimit: 0)
        world.faults.fail(.allocate, with: .outOfMemory)
        let refused = pool.take(on: &system)
        #expect(refused == nil)
        #expect(pool.taken == 0)
        let granted = pool.take(on: &system)
        let chunk = try #require(granted)
        let refusals = pool.takeRefusals()
        #expect(refusals == 1)
        #expect(pool.refusals == 0)
        pool.release(chunk)
        #expect(pool.slabs == 0)
    }

    @Test("destroying a pool with a chunk in use traps", .expectsTraps)
    func leak() async {
        await #expect(processExitsWith: .failure) {
            var system = FakeSystem(in: FakeWorld(), wakerToken: Token(bits: 0))
            var pool = ChunkPool(chunkSize: 4096)
            _ = pool.take(on: &system)
        }
    }
}
