extension AdminServer {
    /// All that can be chosen about the endpoint, with the defaults that suit most.
    public struct Configuration: Sendable {
        /// The program's version, as `monkey_build_info` tells it.
        public var version: String
        public var limits = Limits()
        /// What may be changed; nil lets nobody change anything.
        public var control: (any AdminControl)?
        /// What clients must show, but for `/healthz` and `/readyz`; nil asks for nothing. Without one an endpoint by which
        /// something can be changed listens on loopback only.
        public var token: AdminToken?

        public init(version: String) {
            self.version = version
        }
    }

    /// What one client, or all of them together, may take of the endpoint.
    public struct Limits: Sendable, Equatable {
        /// Connections at once, 1 to 10,000; those beyond wait in the listening queue. With what else the endpoint needs,
        /// the default is within the descriptors that a proxy keeps free of connections.
        public var connections = 24
        /// From the first byte of a request, or from accepting the connection, until the last byte of the response is
        /// taken, however steadily it drips. Over it the connection is closed.
        public var request: Duration = .seconds(10)
        /// How long a connection may stay open between two requests.
        public var idle: Duration = .seconds(75)
        /// How long requests that are being answered may go on once the endpoint is told to stop.
        public var stop: Duration = .seconds(1)
        /// Bytes of a request's target and header fields together, 256 to 1,048,576. Over it the answer is 431.
        public var headerBytes = 16 << 10
        /// Bytes of a request in all, 4,096 to 1 GiB: what is thrown away of a body counts too. Over it the connection is
        /// closed.
        public var requestBytes = 1 << 20
        /// Header fields of a request, 1 to 10,000. Over it the answer is 431.
        public var headerFields = 100

        public init() {}
    }
}

extension AdminServer.Limits {
    /// - Throws: ``AdminError/badSetting(name:value:allowed:)`` for the first that is outside its range.
    func check() throws(AdminError) {
        try Self.check("the limit of connections", connections, in: 1...10_000)
        try Self.check("the limit of header bytes", headerBytes, in: 256...1 << 20)
        try Self.check("the limit of request bytes", requestBytes, in: 4096...1 << 30)
        try Self.check("the limit of header fields", headerFields, in: 1...10_000)
        try Self.check("the time limit of a request", request)
        try Self.check("the time limit of an idle connection", idle)
        try Self.check("the time limit of stopping", stop)
    }

    private static func check(_ name: String, _ value: Int, in allowed: ClosedRange<Int>) throws(AdminError) {
        if !allowed.contains(value) {
            let range = "\(allowed.lowerBound) to \(allowed.upperBound)"
            throw .badSetting(name: name, value: "\(value)", allowed: range)
        }
    }

    private static func check(_ name: String, _ value: Duration) throws(AdminError) {
        if value <= .zero || value > .seconds(86_400) {
            throw .badSetting(name: name, value: "\(value)", allowed: "more than zero and one day at most")
        }
    }
}
