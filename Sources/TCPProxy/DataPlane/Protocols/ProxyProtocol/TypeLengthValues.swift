/// Additional fields of a version 2 PROXY protocol header, each consisting of a type, a length and a value
/// (proxy-protocol.txt, 2.2).
enum TypeLengthValues {
    /// Type of the field with the header's checksum, PP2_TYPE_CRC32C.
    static let checksumType: UInt8 = 0x03
    static let checksumLength = 4
    /// Length of a field's type and length, in bytes.
    static let prefixLength = 3

    /// Result of validating the fields.
    enum Inspection: Hashable {
        /// All fields are complete. `checksum` is the offset of the checksum's value, or nil if there is none.
        case wellFormed(checksum: Int?)
        /// There is more than one checksum field.
        case severalChecksums
        /// A field is incomplete, or the checksum is not 4 bytes long.
        case malformed
    }

    /// Validates all fields in a range.
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

    /// Returns the checksum of a whole header, with the four bytes of the checksum itself counted as zeros.
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
