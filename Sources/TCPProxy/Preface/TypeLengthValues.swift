/// What a header of the PROXY protocol, version 2, says besides addresses: fields of a type, a length and a value, one
/// after the other (proxy-protocol.txt, 2.2).
enum TypeLengthValues {
    /// The type of the field that holds the header's own checksum, PP2_TYPE_CRC32C.
    static let checksumType: UInt8 = 0x03
    static let checksumLength = 4
    /// Bytes of type and length.
    static let prefixLength = 3

    /// What fields look like as a whole.
    enum Inspection: Hashable {
        /// Whole fields and nothing else, and where the value of the checksum is, if there is one.
        case wellFormed(checksum: Int?)
        /// More than one field of checksums.
        case severalChecksums
        /// Something that is no whole field, or a checksum of another length than 4 bytes.
        case malformed
    }

    static func inspect(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>) -> Inspection {
        var reader = ByteReader(bytes, in: range)
        var checksum: Int?
        while !reader.isAtEnd {
            guard let type = reader.readByte(), let value = reader.readVector(lengthBytes: 2) else { return .malformed }
            guard type == checksumType else { continue }
            guard value.count == checksumLength else { return .malformed }
            guard checksum == nil else { return .severalChecksums }
            checksum = value.lowerBound
        }
        return .wellFormed(checksum: checksum)
    }

    /// The value of the first field of a type, such as the name that the client asked for (0x02); nil if there is none.
    static func value(ofType wanted: UInt8, _ bytes: UnsafeRawBufferPointer, in range: Range<Int>) -> Range<Int>? {
        var reader = ByteReader(bytes, in: range)
        while let type = reader.readByte(), let value = reader.readVector(lengthBytes: 2) {
            if type == wanted { return value }
        }
        return nil
    }

    /// The checksum of a whole header, in which the four bytes that hold it count as zeros.
    static func checksum(of header: UnsafeRawBufferPointer, at place: Int) -> UInt32 {
        var check = CRC32C()
        check.update(UnsafeRawBufferPointer(rebasing: header[..<place]))
        check.update(zeros: checksumLength)
        check.update(UnsafeRawBufferPointer(rebasing: header[(place + checksumLength)...]))
        return check.value
    }

    static func number(_ header: UnsafeRawBufferPointer, at place: Int) -> UInt32 {
        UInt32(bigEndian: header.loadUnaligned(fromByteOffset: place, as: UInt32.self))
    }
}
