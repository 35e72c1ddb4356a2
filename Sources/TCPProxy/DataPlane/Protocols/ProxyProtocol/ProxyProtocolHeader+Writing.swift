import Glibc
import Sockets

extension ProxyProtocolHeader {
    /// Content of a header to be sent to a server.
    enum OutboundAddresses {
        /// The proxy's own connection, such as a health check. Version 1 cannot express this and writes UNKNOWN, which
        /// some servers reject: for version 1, send the connection's own addresses instead.
        case local
        /// The client is unknown.
        case unknown
        /// Source and destination of the client's connection. If one of two Internet addresses is IPv6, both are
        /// written as IPv6; an Internet address combined with a Unix socket is written as ``unknown``.
        case addresses(source: SocketAddress, destination: SocketAddress)
        /// The two paths of a received version 2 header, 216 bytes, unmodified.
        case unixPaths(UnsafeRawBufferPointer)
    }

    /// Error of writing a header.
    enum WriteFault: Error, Hashable {
        /// The buffer is smaller than the required number of bytes.
        case noRoom(needed: Int)
        /// The header would have this many bytes, more than ``highestLimit``, the maximum of version 2.
        case tooLong(Int)
        /// The bytes to pass on are not valid type-length-values, or contain several checksums.
        case tlvs
        /// The paths are not 216 bytes long.
        case paths
    }

    /// Returns a buffer size in bytes that is sufficient for any header with `tlvs` bytes of type-length-values.
    static func room(_ version: Version, tlvs: Int = 0) -> Int {
        switch version {
        case .v1: maxLineLength
        case .v2:
            fixedLength + Family.unix.addressLength + tlvs
                + TypeLengthValues.prefixLength + TypeLengthValues.checksumLength
        }
    }

    /// Writes a header.
    ///
    /// - Parameters:
    ///   - tlvs: type-length-values that are passed on unmodified, except a checksum, which is recomputed for this
    ///     header. Version 1 cannot carry them and omits them.
    ///   - checksum: whether to add a checksum if `tlvs` contains none.
    ///   - buffer: at least as large as ``room(_:tlvs:)``.
    /// - Returns: the number of bytes written.
    /// - Throws: ``WriteFault``.
    static func write(
        _ version: Version,
        _ outboundAddresses: OutboundAddresses,
        tlvs: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        checksum: Bool = false,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(WriteFault) -> Int {
        let needed = room(version, tlvs: tlvs.count)
        guard buffer.count >= needed else { throw .noRoom(needed: needed) }
        var writer = ByteWriter(buffer)
        switch version {
        case .v1: writeLine(outboundAddresses, &writer)
        case .v2: try writeBinary(outboundAddresses, tlvs: tlvs, checksum: checksum, &writer)
        }
        return writer.count
    }

    // MARK: Version 1

    private static func writeLine(_ outboundAddresses: OutboundAddresses, _ writer: inout ByteWriter) {
        writer.write(keyword)
        if case .addresses(.internet(let source), .internet(let destination)) = outboundAddresses {
            let isIPv4 = source.isIPv4 && destination.isIPv4
            writer.write(isIPv4 ? "TCP4 " : "TCP6 ")
            writeText(source, isIPv4, &writer)
            writer.write(" ")
            writeText(destination, isIPv4, &writer)
            writer.write(" ")
            writer.write(decimal: source.port)
            writer.write(" ")
            writer.write(decimal: destination.port)
        } else {
            writer.write("UNKNOWN")
        }
        writer.write("\r\n")
    }

    private static func writeText(_ address: InternetAddress, _ isIPv4: Bool, _ writer: inout ByteWriter) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            if isIPv4 {
                var bits = UInt32(truncatingIfNeeded: address.low).bigEndian
                inet_ntop(AF_INET, &bits, text.baseAddress, socklen_t(text.count))
            } else {
                var bits = (address.high.bigEndian, address.low.bigEndian)
                inet_ntop(AF_INET6, &bits, text.baseAddress, socklen_t(text.count))
            }
            for byte in text.prefix(while: { $0 != 0 }) { writer.write(byte: UInt8(bitPattern: byte)) }
        }
    }

    // MARK: Version 2

    private static func writeBinary(
        _ outboundAddresses: OutboundAddresses,
        tlvs: UnsafeRawBufferPointer,
        checksum: Bool,
        _ writer: inout ByteWriter
    ) throws(WriteFault) {
        guard case .wellFormed(let passedOn) = TypeLengthValues.inspect(tlvs, in: 0..<tlvs.count) else { throw .tlvs }
        if case .unixPaths(let paths) = outboundAddresses, paths.count != Family.unix.addressLength { throw .paths }
        let family = family(of: outboundAddresses)
        let adds = checksum && passedOn == nil
        let added = adds ? TypeLengthValues.prefixLength + TypeLengthValues.checksumLength : 0
        let following = family.addressLength + tlvs.count + added
        guard let length = UInt16(exactly: following) else { throw .tooLong(fixedLength + following) }

        writer.write(signature)
        if case .local = outboundAddresses { writer.write(byte: 0x20) } else { writer.write(byte: 0x21) }
        writer.write(byte: family == .unspecified ? 0 : family.rawValue << 4 | streamTransport)
        writer.write(number: length)
        writeAddresses(outboundAddresses, family, &writer)
        var place = passedOn.map { writer.count + $0 }
        writer.write(tlvs)
        if adds {
            writer.write(byte: TypeLengthValues.checksumType)
            writer.write(number: UInt16(TypeLengthValues.checksumLength))
            place = writer.count
            writer.write(number: UInt32(0))
        }
        if let place { writer.overwrite(TypeLengthValues.checksum(of: writer.written, at: place), at: place) }
    }

    private static func family(of outboundAddresses: OutboundAddresses) -> Family {
        switch outboundAddresses {
        case .addresses(.internet(let source), .internet(let destination)):
            source.isIPv4 && destination.isIPv4 ? .ipv4 : .ipv6
        case .addresses(.unix, .unix), .unixPaths: .unix
        case .addresses, .local, .unknown: .unspecified
        }
    }

    private static func writeAddresses(
        _ outboundAddresses: OutboundAddresses,
        _ family: Family,
        _ writer: inout ByteWriter
    ) {
        switch outboundAddresses {
        case .addresses(.internet(let source), .internet(let destination)):
            if family == .ipv4 {
                writer.write(number: UInt32(truncatingIfNeeded: source.low))
                writer.write(number: UInt32(truncatingIfNeeded: destination.low))
            } else {
                writer.write(number: source.high)
                writer.write(number: source.low)
                writer.write(number: destination.high)
                writer.write(number: destination.low)
            }
            writer.write(number: source.port)
            writer.write(number: destination.port)
        case .addresses(.unix(let source), .unix(let destination)):
            writePath(source, &writer)
            writePath(destination, &writer)
        case .unixPaths(let paths):
            writer.write(paths)
        case .addresses, .local, .unknown:
            break
        }
    }

    private static func writePath(_ path: String, _ writer: inout ByteWriter) {
        let bytes = path.utf8.prefix(unixPathLength)
        writer.write(bytes)
        for _ in bytes.count..<unixPathLength { writer.write(byte: 0) }
    }
}
