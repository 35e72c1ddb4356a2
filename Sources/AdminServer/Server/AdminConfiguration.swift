extension AdminServer {
    /// The settings of the endpoint, with their defaults.
    public struct Configuration: Sendable {
        /// The program's version, reported by `monkey_build_info`.
        public var version: String
        /// Limits of connections and requests.
        public var limits = Limits()
        /// The control operations; nil makes the endpoint read-only.
        public var control: (any AdminControl)?
        /// The token that all paths except `/healthz` and `/readyz` require; nil requires none. With ``control`` set
        /// and no token the endpoint binds to loopback addresses only.
        public var token: AdminToken?

        /// Creates a configuration with the default limits.
        public init(version: String) {
            self.version = version
        }
    }

    /// The limits for one client and for all clients together.
    public struct Limits: Sendable, Equatable {
        /// Maximum number of concurrent connections, 1 to 10,000. At the limit, a new connection replaces the one that
        /// has waited longest for its client; one whose response is being computed is not replaced. The default, plus
        /// the other descriptors that the endpoint needs, fits in the descriptors that a proxy reserves.
        public var connections = 24
        /// Time for receiving a request, from its first byte or from accepting the connection, and again for sending
        /// its response, however steadily bytes arrive. When it expires the connection is closed.
        public var request: Duration = .seconds(10)
        /// Time for computing a response; a reload may have to resolve many names. When it expires the response is 504,
        /// and the operation continues.
        public var operation: Duration = .seconds(600)
        /// How long a connection may be idle between two requests.
        public var idle: Duration = .seconds(75)
        /// How long requests in progress may take to complete after the endpoint starts to stop.
        public var stop: Duration = .seconds(1)
        /// Maximum bytes of a request's target and header fields together, 256 to 1,048,576. Above it the response is
        /// 431.
        public var headerBytes = 16 << 10
        /// Maximum bytes of a request, 4,096 to 1 GiB; discarded body bytes count too. Above it the connection is
        /// closed.
        public var requestBytes = 1 << 20
        /// Maximum number of header fields of a request, 1 to 10,000. Above it the response is 431.
        public var headerFields = 100

        /// Creates the default limits.
        public init() {}
    }
}

extension AdminServer.Limits {
    /// - Throws: ``AdminError/badSetting(name:value:allowed:)`` for the first setting outside its range.
    func check() throws(AdminError) {
        try Self.check("connection limit", connections, in: 1...10_000)
        try Self.check("header size limit", headerBytes, in: 256...1 << 20)
        try Self.check("request size limit", requestBytes, in: 4096...1 << 30)
        try Self.check("header field limit", headerFields, in: 1...10_000)
        try Self.check("request timeout", request)
        try Self.check("operation timeout", operation)
        try Self.check("idle timeout", idle)
        try Self.check("stop timeout", stop)
    }

    private static func check(_ name: String, _ value: Int, in allowed: ClosedRange<Int>) throws(AdminError) {
        if !allowed.contains(value) {
            let range = "\(allowed.lowerBound) to \(allowed.upperBound)"
            throw .badSetting(name: name, value: "\(value)", allowed: range)
        }
    }

    private static func check(_ name: String, _ value: Duration) throws(AdminError) {
        if value <= .zero || value > .seconds(86_400) {
            throw .badSetting(name: name, value: "\(value)", allowed: "greater than zero and at most one day")
        }
    }
}
