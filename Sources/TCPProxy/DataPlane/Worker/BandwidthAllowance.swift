import Sockets

/// The remaining bandwidth allowance of both directions of a connection.
struct BandwidthAllowance: Equatable {
    var upstream: BandwidthBucket
    var downstream: BandwidthBucket
    /// When a direction that waits only for its allowance may continue; nil if none does.
    var nextTurn: Instant?

    /// - Parameters:
    ///   - upstream: bytes per second from the client to the server; nil is unlimited.
    ///   - downstream: bytes per second from the server to the client; nil is unlimited.
    /// - Returns: nil if neither direction is limited.
    init?(upstream: Int?, downstream: Int?) {
        guard upstream != nil || downstream != nil else { return nil }
        // The maximum rate is not a limit: it is above that of any network.
        guard let up = BandwidthBucket(bytesPerSecond: upstream ?? BandwidthBucket.maxRate),
            let down = BandwidthBucket(bytesPerSecond: downstream ?? BandwidthBucket.maxRate)
        else { return nil }
        self.upstream = up
        self.downstream = down
    }
}
