extension ClientHello {
    /// Parses the ClientHello at the beginning of a connection.
    ///
    /// Stateless: pass all bytes received so far, and call again when the requested minimum is available.
    ///
    /// - Parameters:
    ///   - limit: maximum number of bytes up to the end of the ClientHello, including record headers.
    ///   - scratch: buffer of at least `limit` bytes that receives the message; the ranges in the result refer to it.
    ///     It must not overlap `bytes`.
    static func read(
        _ bytes: UnsafeRawBufferPointer,
        limit: Int = defaultLimit,
        scratch: UnsafeMutableRawBufferPointer
    ) -> ParseResult {
        precondition(scratch.count >= limit, "the scratch buffer is smaller than the maximum ClientHello")
        let bytes = UnsafeRawBufferPointer(rebasing: bytes.prefix(limit))
        do throws(ParseError) {
            switch try findMessage(bytes) {
            case .needMore(let minimum):
                return minimum > limit ? .tooLong : .needMore(minimum: minimum)
            case .notTLS:
                return .notTLS
            case .complete(let length):
                let message = try collect(length, from: bytes, into: scratch)
                return .hello(try readMessage(message))
            }
        } catch {
            return .malformed(error)
        }
    }

    // MARK: Records

    private static let handshakeRecord: UInt8 = 22
    private static let majorVersion: UInt8 = 3
    private static let helloMessage: UInt8 = 1

    private enum Message {
        case needMore(minimum: Int)
        case notTLS
        /// The message is complete; `length` includes its header.
        case complete(length: Int)
    }

    private static func findMessage(_ bytes: UnsafeRawBufferPointer) throws(ParseError) -> Message {
        guard let type = bytes.first else { return .needMore(minimum: 1) }
        guard type == handshakeRecord else { return .notTLS }
        guard bytes.count > 1 else { return .needMore(minimum: 2) }
        // RFC 8446, 5.1 requires the minor version to be ignored.
        guard bytes[1] == majorVersion else { return .notTLS }

        var records = Records(bytes)
        var header = ByteCollector(wanted: handshakeHeaderLength)
        var collected = 0
        while true {
            let fragment = try records.next()
            if let fragment {
                header.take(fragment.range.lazy.map { bytes[$0] })
                if let type = header.first, type != helloMessage { throw .notHello }
                collected += fragment.range.count
            }
            let length = handshakeHeaderLength + (header.isComplete ? header.number & 0xFF_FFFF : 0)
            if header.isComplete, collected >= length { return .complete(length: length) }
            let missing = length - collected
            guard let fragment else { return .needMore(minimum: records.position + recordHeaderLength + missing) }
            guard fragment.missing == 0 else {
                let rest = missing > fragment.missing ? missing + recordHeaderLength : missing
                return .needMore(minimum: bytes.count + rest)
            }
        }
    }

    /// Collector of the first few bytes of fragmented data, as a number.
    private struct ByteCollector {
        private let wanted: Int
        private var count = 0
        private(set) var number = 0
        private(set) var first: UInt8?

        init(wanted: Int) {
            self.wanted = wanted
        }

        var isComplete: Bool { count == wanted }

        mutating func take(_ bytes: some Sequence<UInt8>) {
            for byte in bytes.prefix(wanted - count) {
                if count == 0 { first = byte }
                number = number << 8 | Int(byte)
                count += 1
            }
        }
    }

    /// Iterator over the records of a handshake.
    private struct Records {
        struct Fragment {
            /// Range of the bytes received so far.
            let range: Range<Int>
            /// Number of bytes not received yet.
            let missing: Int
        }

        private let bytes: UnsafeRawBufferPointer
        /// Offset of the next record.
        private(set) var position = 0
        private var count = 0

        init(_ bytes: UnsafeRawBufferPointer) {
            self.bytes = bytes
        }

        /// Returns the next record's fragment; nil if the record header is incomplete.
        mutating func next() throws(ParseError) -> Fragment? {
            guard position <= bytes.count else { return nil }
            var reader = ByteReader(bytes, in: position..<bytes.count)
            if let type = reader.readByte(), type != handshakeRecord { throw .record }
            guard reader.readNumber(bytes: 2) != nil, let length = reader.readNumber(bytes: 2) else { return nil }
            guard (1...maxFragmentLength).contains(length) else { throw .record }
            count += 1
            guard count <= maxRecords else { throw .tooManyRecords }
            let start = reader.position
            let present = min(length, reader.remaining)
            position = start + length
            return Fragment(range: start..<(start + present), missing: length - present)
        }
    }

    /// Concatenates the contents of the records up to the end of the message.
    private static func collect(
        _ length: Int,
        from bytes: UnsafeRawBufferPointer,
        into scratch: UnsafeMutableRawBufferPointer
    ) throws(ParseError) -> UnsafeMutableRawBufferPointer {
        var records = Records(bytes)
        var collected = 0
        while collected < length, let fragment = try records.next() {
            let piece = fragment.range.prefix(length - collected)
            UnsafeMutableRawBufferPointer(rebasing: scratch[collected...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[piece]))
            collected += piece.count
        }
        return UnsafeMutableRawBufferPointer(rebasing: scratch[..<collected])
    }

    // MARK: The message

    private static let serverNameExtension = 0
    private static let protocolsExtension = 16
    private static let hostName: UInt8 = 0
    private static let randomLength = 32
    private static let maxSessionIDLength = 32

    private static func readMessage(_ message: UnsafeMutableRawBufferPointer) throws(ParseError) -> ClientHello {
        let bytes = UnsafeRawBufferPointer(message)
        var reader = ByteReader(bytes, in: handshakeHeaderLength..<max(handshakeHeaderLength, bytes.count))
        guard reader.readNumber(bytes: 2) != nil, reader.readField(randomLength) != nil,
            let session = reader.readVector(lengthBytes: 1), session.count <= maxSessionIDLength,
            let suites = reader.readVector(lengthBytes: 2), !suites.isEmpty, suites.count.isMultiple(of: 2),
            let compressions = reader.readVector(lengthBytes: 1), !compressions.isEmpty
        else { throw .structure }
        // Clients older than TLS 1.2 may send no extensions.
        if reader.isAtEnd { return ClientHello(serverName: nil, protocols: 0..<0) }
        guard let extensions = reader.readVector(lengthBytes: 2), reader.isAtEnd else { throw .structure }

        var serverName: Range<Int>?
        var hasServerName = false
        var protocols: Range<Int>?
        reader = ByteReader(bytes, in: extensions)
        while !reader.isAtEnd {
            guard let type = reader.readNumber(bytes: 2), let contents = reader.readVector(lengthBytes: 2) else {
                throw .structure
            }
            switch type {
            case serverNameExtension:
                guard !hasServerName else { throw .repeatedExtension }
                hasServerName = true
                serverName = try readServerName(bytes, in: contents).flatMap { SNIHostName.normalise(message, in: $0) }
            case protocolsExtension:
                guard protocols == nil else { throw .repeatedExtension }
                protocols = try readProtocols(bytes, in: contents)
            default:
                break
            }
        }
        return ClientHello(serverName: serverName, protocols: protocols ?? 0..<0)
    }

    /// Reads the only host name in the list; returns nil if there is none. Names of other types, of which RFC 6066 defines
    /// none, are skipped. A list of several host names is an error: some servers take the first name and others the last,
    /// so the proxy's choice could differ from the server's.
    private static func readServerName(
        _ bytes: UnsafeRawBufferPointer,
        in contents: Range<Int>
    ) throws(ParseError) -> Range<Int>? {
        var reader = ByteReader(bytes, in: contents)
        guard let list = reader.readVector(lengthBytes: 2), !list.isEmpty, reader.isAtEnd else { throw .serverName }
        reader = ByteReader(bytes, in: list)
        var found: Range<Int>?
        while !reader.isAtEnd {
            guard let type = reader.readByte(), let name = reader.readVector(lengthBytes: 2) else { throw .serverName }
            guard type == hostName else { continue }
            guard found == nil else { throw .serverName }
            found = name
        }
        return found
    }

    private static func readProtocols(
        _ bytes: UnsafeRawBufferPointer,
        in contents: Range<Int>
    ) throws(ParseError) -> Range<Int> {
        var reader = ByteReader(bytes, in: contents)
        guard let list = reader.readVector(lengthBytes: 2), !list.isEmpty, reader.isAtEnd else { throw .protocols }
        reader = ByteReader(bytes, in: list)
        while !reader.isAtEnd {
            guard let name = reader.readVector(lengthBytes: 1), !name.isEmpty else { throw .protocols }
        }
        return list
    }
}
