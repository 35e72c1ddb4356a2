extension LoadTest {
    /// When the next request is sent.
    public enum Pace: Sendable, Hashable {
        /// Open loop: requests become due at a rate, whether or not the target keeps up.
        case rate(RateProfile)
        /// Closed loop: each connection sends its next request when the response has arrived. Measures the target's
        /// maximum throughput, not the latency of clients: while the target stalls, no requests are sent.
        case closedLoop
    }

    /// Distribution of requests in time around their rate.
    public enum Arrivals: String, Sendable, Hashable, Codable, CaseIterable {
        /// At equal distances.
        case constant
        /// Independent of each other, like those of many users: a Poisson process.
        case poisson
    }
}
