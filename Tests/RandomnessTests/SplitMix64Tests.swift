import Randomness
import Testing

@Suite("Random numbers")
struct SplitMix64Tests {
    @Test("Random numbers follow SplitMix64")
    func splitMix() {
        // The published output for this seed (rosettacode.org, "Pseudo-random numbers/Splitmix64").
        let published: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
        ]
        var random = SplitMix64(seed: 1_234_567)
        for number in published { #expect(random.next() == number) }
    }

    @Test("Each input bit flips each hash bit in half of all cases")
    func avalanche() {
        var random = SplitMix64(seed: 1)
        let words = 4_000
        var flips = [Int](repeating: 0, count: 64 * 64)
        for _ in 0..<words {
            let word = random.next()
            let hash = SplitMix64.mix(word)
            for bit in 0..<64 {
                let changed = hash ^ SplitMix64.mix(word ^ 1 << UInt64(bit))
                for other in 0..<64 { flips[64 * bit + other] += Int(changed >> UInt64(other) & 1) }
            }
        }
        // Six standard deviations: one of 4,096 fair coins deviates more in only one of 100,000 such tests.
        let allowed = 6 * (Double(words) / 4).squareRoot()
        #expect(flips.allSatisfy { abs(Double($0) - Double(words) / 2) < allowed })
    }
}
