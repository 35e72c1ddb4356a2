import Glibc
package import Randomness
import Sockets

extension EchoServer {
    /// The distribution of a connection's response delays.
    public enum DelayDistribution: Sendable, Hashable {
        /// The same delay for each piece.
        case constant(Duration)
        /// Uniformly distributed between two bounds.
        case uniform(from: Duration, to: Duration)
        /// Exponentially distributed: many short delays, few long ones. Capped at 20 times the mean, which 1 in 500
        /// million values would exceed.
        case exponential(mean: Duration)
        /// In list order, starting over after the last one; each connection has its own position.
        case list([Duration])
    }
}

extension EchoServer.DelayDistribution {
    /// The maximum delay.
    public static let maxDelay: Duration = .seconds(3600)

    func validate() throws(EchoServerError) {
        let bounds: [Duration] =
            switch self {
            case .constant(let delay): [delay]
            case .uniform(let from, let to): from <= to ? [from, to] : []
            case .exponential(let mean): [mean]
            case .list(let delays): delays
            }
        guard !bounds.isEmpty, bounds.allSatisfy({ $0 >= .zero && $0 <= Self.maxDelay }) else {
            throw .badSetting(
                name: "delay",
                value: "\(self)",
                allowed: "one or more durations from 0 s to 1 hour, the lower bound first"
            )
        }
    }

    /// Returns the delay of the piece with number `index` of a connection, counted from 0.
    package func delay(of index: Int, from generator: inout SplitMix64) -> Duration {
        switch self {
        case .constant(let delay):
            return delay
        case .uniform(let from, let to):
            let span = (to - from).wholeNanoseconds
            return from + .nanoseconds(Int64(clamping: span == .max ? span : generator.next(upperBound: span + 1)))
        case .exponential(let mean):
            // In (0, 1], so that the logarithm is finite.
            let fraction = (Double(generator.next() >> 11) + 1) / 0x1p53
            return .nanoseconds(Int64(Double(mean.wholeNanoseconds) * min(-log(fraction), 20)))
        case .list(let delays):
            return delays[index % delays.count]
        }
    }
}
