import ValueFormats

extension LoadTest {
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
        /// A new connection per request: connect, TLS handshake, close. The latency ends with the handshake; the request
        /// is complete when the target has ended the connection, too.
        case handshake(ending: ConnectionEnding)
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
        /// With a FIN. The local port then stays in TIME-WAIT (RFC 9293, 3.6): for a minute on Linux, or for a second
        /// on loopback.
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
        public var chunk = LoadTest.Configuration.Settings.chunk.defaultValue
        /// Whether received bytes must be the `BytePattern`, which is also sent. Costs a comparison of each byte.
        public var verifies = false

        /// Creates streams in a direction, in chunks of 128 KiB, without verification.
        public init(_ direction: Direction) {
            self.direction = direction
        }
    }
}
