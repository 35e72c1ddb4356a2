/// Cyclic redundancy check with the Castagnoli polynomial (RFC 9260, appendix A), table-driven, one byte per step.
struct CRC32C {
    private var register: UInt32 = ~0

    /// Checksum of all bytes so far.
    var value: UInt32 { ~register }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { update(byte) }
    }

    mutating func update(zeros count: Int) {
        for _ in 0..<count { update(0) }
    }

    private mutating func update(_ byte: UInt8) {
        register = register >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: register) ^ byte)]
    }

    /// Register contribution of each of the 256 byte values.
    private static let table: [UInt32] = (0..<256).map { byte in
        // The polynomial 0x1EDC6F41, the least significant bit first.
        (0..<8).reduce(UInt32(byte)) { register, _ in register >> 1 ^ (register & 1 == 1 ? 0x82F6_3B78 : 0) }
    }
}
