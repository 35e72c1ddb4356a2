public import Sockets

/// What a load test is to do.
public struct Plan: Sendable {
    /// Where to. A name is resolved once, before the start, and its first address that answers is taken.
    public var target: ServiceAddress
    /// What is done there.
    public var mode: Mode
    /// What decides when.
    public var pace: Pace
    /// How requests at a rate are spread in time.
    public var arrivals = Arrivals.constant

    /// Connections in all, 1 to 1,000,000; in connect mode, the most at the same time.
    public var connections = 16
    /// Threads that generate load, 1 to 64, and no more than there are connections.
    public var threads = 1

    /// How long is measured, 1 ms to a day.
    public var duration: Duration = .seconds(10)
    /// How long the same load runs before that, unmeasured; 0 to an hour.
    public var warmUp: Duration = .zero
    /// How long is waited after that for the responses still under way; 0 to an hour.
    public var drain: Duration = .seconds(1)

    /// For an exchange from its being sent to its response; the connection is then reset. 1 ms to an hour.
    public var timeout: Duration = .seconds(10)
    /// For a connection to be established. 1 ms to an hour.
    public var connectTimeout: Duration = .seconds(5)

    /// Local addresses to connect from, in turn, each of which has its own ports; empty leaves it to the system.
    public var sources: [InternetAddress] = []
    /// How many parts of a ramp are reported on, 1 to 1,000.
    public var rampSteps = 20
    /// Decides what is random: the same seed draws the same.
    public var seed: UInt64 = 1
    /// The most requests that may be due and wait for a connection, in all threads together, 1 to 100,000,000. More are
    /// counted as overflowed and never sent.
    public var queueLimit = 1_048_576

    /// Sixty-four bytes, a thousand times a second, unless told otherwise.
    public init(target: ServiceAddress, mode: Mode = .echo(.generated(count: 64)), pace: Pace = .rate(.constant(1000)))
    {
        self.target = target
        self.mode = mode
        self.pace = pace
    }

    /// Reads the target as it is written: `127.0.0.1:8081`, `[::1]:8081`, `example.com:80`, `unix:/run/app.sock`.
    public init(
        _ target: String,
        mode: Mode = .echo(.generated(count: 64)),
        pace: Pace = .rate(.constant(1000))
    ) throws(AddressError) {
        self.init(target: try ServiceAddress(parsing: target), mode: mode, pace: pace)
    }
}

/// What is done on the connections.
public enum Mode: Sendable {
    /// Requests whose responses have to be the same bytes. One at a time on each connection: others that are due
    /// meanwhile wait, and their latency counts from when they were due.
    case echo(Payload)
    /// Requests whose responses are the start of the `BytePattern`, of another size than the request. One at a time on each
    /// connection, as in an echo.
    case request(Payload, response: ExpectedResponse)
    /// For each request a connection of its own, with one such exchange on it, and its end.
    case connect(Payload, ending: Ending)
    /// Streams without end.
    case bulk(Bulk)
    /// Connections that are opened and kept; at the end of the time, one exchange on each, unless it has no bytes.
    case hold(Payload)
    /// What a file says, again and again.
    case script(Script)
}

/// The bytes of a request.
public enum Payload: Sendable, Hashable {
    /// So many, numbered in the first eight of them; 0 to 1 GiB.
    case generated(count: Int)
    /// These, unchanged.
    case bytes([UInt8])

    /// How many bytes there are.
    public var count: Int {
        switch self {
        case .generated(let count): count
        case .bytes(let bytes): bytes.count
        }
    }
}

/// What answers a request, such as `EchoServer` in its mode `respond` does.
public struct ExpectedResponse: Sendable, Hashable {
    /// How many bytes, 1 to 1 GiB. More are a mismatch.
    public var size: Int
    /// Whether they have to be the `BytePattern` from its start. It costs a comparison of each byte.
    public var verifies = false

    /// So many bytes, whatever they are.
    public init(size: Int) {
        self.size = size
    }
}

/// How a connection is ended.
public enum Ending: String, Sendable, Hashable, Codable, CaseIterable {
    /// By a FIN. The port then rests for a minute (TIME-WAIT, RFC 9293, 3.6), or a second on the loopback.
    case fin
    /// By a reset, which frees the port at once.
    case reset
}

/// Streams in one direction or both.
public struct Bulk: Sendable, Hashable {
    /// Where the bytes go.
    public enum Direction: String, Sendable, Hashable, Codable, CaseIterable {
        /// From here to the target.
        case upload
        /// From the target to here.
        case download
        /// Both at the same time, to a target that echoes.
        case both
    }

    /// Where the bytes go.
    public var direction: Direction
    /// Bytes given to the system in one go, 1 to 16 MiB.
    public var chunk = 128 << 10
    /// Whether what comes has to be the `BytePattern`, which is what is sent. It costs a comparison of each byte.
    public var verifies = false

    /// Streams in a direction, in chunks of 128 KiB, unchecked.
    public init(_ direction: Direction) {
        self.direction = direction
    }
}

/// What decides when the next request is sent.
public enum Pace: Sendable, Hashable {
    /// Open loop: requests are due at a rate, whether or not the target keeps up.
    case rate(RateProfile)
    /// Closed loop: each connection sends its next request when it has its response. What it measures is how fast the
    /// target can be, not how long a client waits: while the target stands still, nobody asks.
    case flatOut
}
