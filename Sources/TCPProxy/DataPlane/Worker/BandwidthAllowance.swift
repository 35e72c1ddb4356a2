import Sockets

/// The remaining bandwidth allowance of both directions of a connection.
struct BandwidthAllowance {
    var upstream: BandwidthBucket
    var downstream: BandwidthBucket
    /// When a direction that waits only for its allowance may continue; nil if none does.
    var nextTurn: Instant?

    init(_ bandwidth: BandwidthBucket) {
        upstream = bandwidth
        downstream = bandwidth
    }
}
