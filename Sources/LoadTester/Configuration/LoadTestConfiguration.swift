public import Sockets
import ValueFormats

extension LoadTest {
    /// Configuration of a load test.
    public struct Configuration: Sendable {
        /// The target. A name is resolved once, before the start; the first of its addresses that accepts a connection
        /// is used, or the first one if none does.
        public var target: ServiceAddress
        /// What to do on the connections.
        public var mode: Mode
        /// Open loop at a rate, or closed loop.
        public var pace: Pace
        /// Distribution of the requests of an open loop in time.
        public var arrivals = Settings.arrivals.defaultValue

        /// Number of connections, 1 to 1,000,000; in mode `connect`, the maximum number of concurrent connections.
        public var connections = Settings.connections.defaultValue
        /// Number of threads that generate load, 1 to 256; at most one per connection is used.
        public var threads = Settings.threads.defaultValue

        /// Length of the measured time, 1 ms to a day.
        public var duration: Duration = Settings.duration.defaultValue
        /// Length of the unmeasured time before it, under the same load; 0 to an hour.
        public var warmUp: Duration = Settings.warmUp.defaultValue
        /// Maximum wait for outstanding responses after it; 0 to an hour.
        public var drain: Duration = Settings.drain.defaultValue

        /// Timeout of an exchange, from sending the request to its response; the connection is then reset. 1 ms to an
        /// hour.
        public var timeout: Duration = Settings.timeout.defaultValue
        /// Timeout of a connect, including the TLS handshake. 1 ms to an hour.
        public var connectTimeout: Duration = Settings.connectTimeout.defaultValue

        /// Local addresses to connect from, used in turn, each with its own ports; if empty, the kernel chooses.
        public var sources: [InternetAddress] = []
        /// PROXY protocol header that begins each connection, with the connection's own addresses; nil for none.
        public var proxyHeader: ProxyHeader?
        /// TLS with the target; nil for none. Its handshake follows the PROXY protocol header, and the timeout of a connect
        /// includes it.
        public var tls: TLSConfiguration?
        /// Number of steps in which a ramp is reported, 1 to 1,000.
        public var rampSteps = Settings.rampSteps.defaultValue
        /// Seed of all random values: the same seed gives the same values.
        public var seed: UInt64 = Settings.seed.defaultValue
        /// Maximum number of due requests that wait for a connection, over all threads, 1 to 100,000,000. Requests
        /// beyond it are counted as overflowed and never sent.
        public var queueLimit = Settings.queueLimit.defaultValue

        /// Creates a configuration; by default 64 bytes per request, 1,000 requests per second.
        public init(
            target: ServiceAddress,
            mode: Mode = .echo(.generated(count: 64)),
            pace: Pace = .rate(.constant(1000))
        ) {
            self.target = target
            self.mode = mode
            self.pace = pace
        }

        /// Creates a configuration, parsing the target: `127.0.0.1:8081`, `[::1]:8081`, `example.com:80`,
        /// `unix:/run/app.sock`.
        public init(
            _ target: String,
            mode: Mode = .echo(.generated(count: 64)),
            pace: Pace = .rate(.constant(1000))
        ) throws(AddressParseError) {
            self.init(target: try ServiceAddress(parsing: target), mode: mode, pace: pace)
        }
    }
}
