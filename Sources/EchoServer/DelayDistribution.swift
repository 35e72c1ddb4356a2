import Glibc
package import Sockets

/// How the delays of a connection's answers are spread.
public enum DelayDistribution: Sendable, Hashable {
    /// Always the same.
    case constant(Duration)
    /// Each between two bounds as likely as any other.
    case uniform(from: Duration, to: Duration)
    /// As of events that come at random: many short ones, a few long ones. Cut at 20 times the mean, which one in 500
    /// million exceeds.
    case exponential(mean: Duration)
    /// One after the other and again from the first, for each connection by itself.
    case list([Duration])
}

extension DelayDistribution {
    /// The longest delay that can be asked for.
    public static let longest: Duration = .seconds(3600)

    func validate() throws(EchoServerError) {
        let bounds: [Duration] =
            switch self {
            case .constant(let delay): [delay]
            case .uniform(let from, let to): from <= to ? [from, to] : []
            case .exponential(let mean): [mean]
            case .list(let delays): delays
            }
        guard !bounds.isEmpty, bounds.allSatisfy({ $0 >= .zero && $0 <= Self.longest }) else {
            throw .badSetting(
                name: "delay",
                value: "\(self)",
                allowed: "one or more durations from 0 s to an hour, the lower bound first"
            )
        }
    }

    /// The delay of a connection's piece number `index`, from 0.
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
