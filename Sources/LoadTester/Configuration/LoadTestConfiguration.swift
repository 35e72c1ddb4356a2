public import Sockets

/// Configuration of a load test.
public struct Configuration: Sendable {
    /// The target. A name is resolved once, before the start; the first of its addresses that accepts a connection is
    /// used, or the first one if none does.
    public var target: ServiceAddress
    /// What to do on the connections.
    public var mode: Mode
    /// Open loop at a rate, or closed loop.
    public var pace: Pace
    /// Distribution of the requests of an open loop in time.
    public var arrivals = Arrivals.constant

    /// Number of connections, 1 to 1,000,000; in mode `connect`, the maximum number of concurrent connections.
    public var connections = 16
    /// Number of threads that generate load, 1 to 64; at most one per connection is used.
    public var threads = 1

    /// Length of the measured time, 1 ms to a day.
    public var duration: Duration = .seconds(10)
    /// Length of the unmeasured time before it, under the same load; 0 to an hour.
    public var warmUp: Duration = .zero
    /// Maximum wait for outstanding responses after it; 0 to an hour.
    public var drain: Duration = .seconds(1)

    /// Timeout of an exchange, from sending the request to its response; the connection is then reset. 1 ms to an hour.
    public var timeout: Duration = .seconds(10)
    /// Timeout of a connect. 1 ms to an hour.
    public var connectTimeout: Duration = .seconds(5)

    /// Local addresses to connect from, used in turn, each with its own ports; if empty, the kernel chooses.
    public var sources: [InternetAddress] = []
    /// Number of steps in which a ramp is reported, 1 to 1,000.
    public var rampSteps = 20
    /// Seed of all random values: the same seed gives the same values.
    public var seed: UInt64 = 1
    /// Maximum number of due requests that wait for a connection, over all threads, 1 to 100,000,000. Requests beyond
    /// it are counted as overflowed and never sent.
    public var queueLimit = 1_048_576

    /// Creates a plan; by default 64 bytes per request, 1,000 requests per second.
    public init(target: ServiceAddress, mode: Mode = .echo(.generated(count: 64)), pace: Pace = .rate(.constant(1000)))
    {
        self.target = target
        self.mode = mode
        self.pace = pace
    }

    /// Creates a plan, parsing the target: `127.0.0.1:8081`, `[::1]:8081`, `example.com:80`, `unix:/run/app.sock`.
    public init(
        _ target: String,
        mode: Mode = .echo(.generated(count: 64)),
        pace: Pace = .rate(.constant(1000))
    ) throws(AddressError) {
        self.init(target: try ServiceAddress(parsing: target), mode: mode, pace: pace)
    }
}

/// What to do on the connections.
public enum Mode: Sendable {
    /// Requests whose responses must be the same bytes. One at a time on each connection: further due requests are
    /// queued, and their latency counts from when they were due.
    case echo(Payload)
    /// Requests whose responses are the start of the `BytePattern`, of a size of their own. One at a time on each
    /// connection, as in an echo.
    case request(Payload, response: ExpectedResponse)
    /// A new connection per request: connect, one echo exchange, close.
    case connect(Payload, ending: ConnectionEnding)
    /// Streams without end.
    case bulk(Bulk)
    /// Connections that are opened and kept idle; at the end of the measured time one exchange on each, unless the
    /// payload is empty.
    case hold(Payload)
    /// The exchange defined by a script, repeatedly.
    case script(Script)
}

/// The bytes of a request.
public enum Payload: Sendable, Hashable {
    /// `count` bytes of the pattern, 1 byte to 1 GiB; 0 is valid in the modes `connect` and `hold`. Except in mode
    /// `request`, the first eight bytes hold a sequence number.
    case generated(count: Int)
    /// These bytes, unchanged.
    case bytes([UInt8])

    /// Number of bytes.
    public var count: Int {
        switch self {
        case .generated(let count): count
        case .bytes(let bytes): bytes.count
        }
    }
}

/// The expected response to a request, such as that of `EchoServer` in its mode `respond`.
public struct ExpectedResponse: Sendable, Hashable {
    /// Number of bytes, 1 to 1 GiB. More bytes are a mismatch.
    public var size: Int
    /// Whether the bytes must be the `BytePattern` from its start. Costs a comparison of each byte.
    public var verifies = false

    /// Creates an expectation of `size` arbitrary bytes.
    public init(size: Int) {
        self.size = size
    }
}

/// How a connection is closed.
public enum ConnectionEnding: String, Sendable, Hashable, Codable, CaseIterable {
    /// With a FIN. The local port then stays in TIME-WAIT (RFC 9293, 3.6): for a minute on Linux, or for a second on
    /// loopback.
    case fin
    /// With a RST, which frees the port immediately.
    case reset
}

/// Streams in one or both directions.
public struct Bulk: Sendable, Hashable {
    /// Direction of the data.
    public enum Direction: String, Sendable, Hashable, Codable, CaseIterable {
        /// From the load tester to the target.
        case upload
        /// From the target to the load tester.
        case download
        /// Both at the same time, with a target that echoes.
        case both
    }

    /// Direction of the data.
    public var direction: Direction
    /// Maximum number of bytes per send call, 1 to 16 MiB.
    public var chunk = 128 << 10
    /// Whether received bytes must be the `BytePattern`, which is also sent. Costs a comparison of each byte.
    public var verifies = false

    /// Creates streams in a direction, in chunks of 128 KiB, without verification.
    public init(_ direction: Direction) {
        self.direction = direction
    }
}

/// When the next request is sent.
public enum Pace: Sendable, Hashable {
    /// Open loop: requests become due at a rate, whether or not the target keeps up.
    case rate(RateProfile)
    /// Closed loop: each connection sends its next request when the response has arrived. Measures the target's maximum
    /// throughput, not the latency of clients: while the target stalls, no requests are sent.
    case closedLoop
}
