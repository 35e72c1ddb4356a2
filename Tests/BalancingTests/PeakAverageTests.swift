import Glibc
import Testing

@testable import Balancing

@Suite("Peak average")
struct PeakAverageTests {
    private let constant = 10_000_000_000

    @Test("The average rises to a peak immediately")
    func rises() {
        #expect(PeakAverage.updated(0, with: 5_000, after: 0, timeConstant: constant) == 5_000)
        #expect(PeakAverage.updated(5_000, with: 9_000, after: 0, timeConstant: constant) == 9_000)
        #expect(PeakAverage.updated(5_000, with: 5_000, after: 7, timeConstant: constant) == 5_000)
    }

    @Test("The average decays over time, by 1 - 1/e per time constant")
    func decays() {
        #expect(PeakAverage.updated(1_000_000, with: 0, after: 0, timeConstant: constant) == 1_000_000)
        #expect(PeakAverage.updated(1_000_001, with: 1, after: constant, timeConstant: constant) == 367_880)
        #expect(PeakAverage.updated(1_000_001, with: 1, after: 64 * constant, timeConstant: constant) == 1)
    }

    @Test("The average does not depend on the number of samples")
    func manySamples() {
        var many = 1_000_000_000
        for _ in 0..<100 { many = PeakAverage.updated(many, with: 1_000, after: constant / 50, timeConstant: constant) }
        let once = PeakAverage.updated(1_000_000_000, with: 1_000, after: 2 * constant, timeConstant: constant)
        #expect(abs(many - once) < once / 10_000)
    }

    @Test("Decay equals exp(-x) within 1e-7")
    func exponential() {
        for step in 0..<6_400 {
            let x = Double(step) / 100
            let decay = PeakAverage.decay(over: step * 10_000, timeConstant: 1_000_000)
            #expect(abs(decay - exp(-x)) < 1e-7)
        }
    }

    @Test("A known average is never 0, and invalid values do not trap")
    func limits() {
        #expect(PeakAverage.updated(0, with: 0, after: 0, timeConstant: constant) == 1)
        #expect(PeakAverage.updated(10, with: -4, after: .max, timeConstant: .max) >= 1)
        #expect(PeakAverage.updated(.max, with: 1, after: 0, timeConstant: constant) > 0)
        #expect(PeakAverage.updated(10, with: 3, after: 5, timeConstant: 0) == 3)
        #expect(PeakAverage.updated(10, with: 3, after: -5, timeConstant: constant) == 10)
    }
}
