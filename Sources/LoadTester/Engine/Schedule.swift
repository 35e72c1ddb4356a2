import Glibc
import Randomness

/// The times at which requests become due, independent of the target: this makes a loop open.
///
/// Pure. Arrivals of a unit-rate process (constant or Poisson) are mapped through the inverse of the profile's
/// integral, so that a changing rate is as exact as a constant one (Lewis and Shedler, "Simulation of Nonhomogeneous
/// Poisson Processes by Thinning", 1979, section 1, on time transformation).
struct Schedule: Sendable {
    private let profile: LoadTest.RateProfile
    private let arrivals: LoadTest.Arrivals
    /// In the unit-rate process: the mean distance between two requests of this thread, and the position of the next
    /// request.
    private let stride: Double
    private var count: Double
    private var random: SplitMix64
    private var current: Segment
    private var piece = 0

    /// - Parameters:
    ///   - share: of `of` threads with the same profile, each has every `of`-th request, starting with number `index`;
    ///     with Poisson arrivals, each has an independent process with 1/`of` of the rate.
    ///   - seed: seed of a Poisson process; each thread derives its own from it.
    init(
        _ profile: LoadTest.RateProfile,
        arrivals: LoadTest.Arrivals,
        share: (index: Int, of: Int) = (0, 1),
        seed: UInt64 = 0
    ) {
        self.profile = profile
        self.arrivals = arrivals
        stride = Double(share.of)
        random = SplitMix64(seed: seed &+ UInt64(share.index) &* 0xD1B5_4A32_D192_ED03)
        current = Segment(profile, piece: 0, start: 0, count: 0)
        count = Double(share.index)
        if arrivals == .poisson {
            count = 0
            count = exponential()
        }
    }

    /// Returns the nanoseconds from the start to the next request; nil if there are no more requests.
    mutating func next() -> UInt64? {
        while count >= current.endCount {
            piece += 1
            current = Segment(profile, piece: piece, start: current.endTime, count: current.endCount)
        }
        guard let time = current.time(of: count) else { return nil }
        count += arrivals == .constant ? stride : exponential()
        return time
    }

    /// A distance of a Poisson process: exponentially distributed, with the stride as its mean.
    private mutating func exponential() -> Double {
        // 53 random bits, and never 0, whose logarithm is undefined.
        let uniform = (Double(random.next() >> 11) + 1) * 0x1p-53
        return -log(uniform) * stride
    }

    /// A piece of the profile, with its position in time and in the number of requests.
    private struct Segment {
        let startTime: Double
        let startCount: Double
        let endTime: Double
        let endCount: Double
        /// Requests per second, and its change per second.
        let rate: Double
        let slope: Double

        init(_ profile: LoadTest.RateProfile, piece index: Int, start: Double, count: Double) {
            startTime = start
            startCount = count
            guard index < profile.pieces.count else {
                rate = profile.finalRate
                slope = 0
                endTime = .infinity
                endCount = .infinity
                return
            }
            let piece = profile.pieces[index]
            let seconds = piece.duration / .seconds(1)
            rate = piece.from
            slope = (piece.to - piece.from) / seconds
            endTime = start + seconds * 1e9
            endCount = count + (piece.from + piece.to) / 2 * seconds
        }

        func time(of count: Double) -> UInt64? {
            let ahead = count - startCount
            let nanoseconds: Double
            if slope == 0 {
                // At rate 0 no further request becomes due.
                guard rate > 0 else { return nil }
                nanoseconds = ahead * 1e9 / rate
            } else {
                // The smaller root of rate * t + slope / 2 * t^2 = ahead, in the form without cancellation.
                let discriminant = max(0, rate * rate + 2 * slope * ahead)
                nanoseconds = ahead == 0 ? 0 : 2 * ahead * 1e9 / (rate + discriminant.squareRoot())
            }
            let time = startTime + nanoseconds
            return time < 0x1p63 ? UInt64(time.rounded()) : nil
        }
    }
}
