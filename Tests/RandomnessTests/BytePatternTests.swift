import Randomness
import Testing

@Suite("Byte pattern")
struct BytePatternTests {
    private func filled(_ count: Int, from offset: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { BytePattern.fill($0, from: offset) }
        return bytes
    }

    private func firstDifference(_ bytes: [UInt8], from offset: Int) -> Int? {
        bytes.withUnsafeBytes { BytePattern.firstDifference(in: $0, from: offset) }
    }

    /// The first outputs of SplitMix64 with the seed 0, as printed by its authors' program.
    @Test("The stream matches its documentation")
    func definition() {
        let outputs: [UInt64] = [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]
        let expected = outputs.flatMap { output in (0..<8).map { UInt8(truncatingIfNeeded: output >> ($0 * 8)) } }
        #expect(filled(24, from: 0) == expected)
        var generator = SplitMix64(seed: 0)
        for index in 0..<BytePattern.period {
            let output = index % 8 == 0 ? generator.next() : nil
            if let output, BytePattern.byte(at: index) != UInt8(truncatingIfNeeded: output) {
                Issue.record("byte \(index)")
            }
        }
    }

    @Test("A byte depends only on its offset", arguments: [0, 1, 7, 65_520, 65_521, 65_522, 131_041, 1 << 40])
    func offsets(offset: Int) {
        let bytes = filled(200_000, from: offset)
        for index in [0, 1, 2, 65_519, 65_520, 65_521, 130_000, 199_999] {
            #expect(bytes[index] == BytePattern.byte(at: offset + index))
        }
        #expect(firstDifference(bytes, from: offset) == nil)
    }

    @Test("The first differing byte is found at any position", arguments: [0, 1, 65_520, 65_521, 131_042, 199_999])
    func differences(index: Int) {
        var bytes = filled(200_000, from: 5)
        bytes[index] ^= 1
        bytes[199_999] = ~bytes[199_999]
        #expect(firstDifference(bytes, from: 5) == index)
    }

    @Test(
        "A shift is detected immediately, even by whole pages and buffers",
        arguments: [1, 2, 8, 1448, 4096, 16_384, 65_536, 1 << 20]
    )
    func shifts(distance: Int) {
        let found = firstDifference(filled(4096, from: distance), from: 0)
        #expect(found.map { $0 < 16 } == true)
    }

    @Test("An empty buffer has no difference")
    func empty() {
        #expect(firstDifference([], from: 3) == nil)
        #expect(filled(0, from: 3) == [])
    }
}
