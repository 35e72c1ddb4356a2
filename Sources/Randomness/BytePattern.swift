import Glibc

/// An infinite, reproducible byte stream. A sender generates it and a tester verifies it from any offset.
///
/// The byte at offset `i` depends on `i` alone. With `r = i mod 65,521`, it is byte `r mod 8`, least significant first,
/// of output number `r / 8` (from 0) of SplitMix64 with seed 0. The period is a prime, so lost, duplicated, altered or
/// moved bytes cause a mismatch at the first difference, even if whole pages or buffers are affected.
public enum BytePattern {
    /// The period of the stream in bytes: the largest prime below 2^16.
    public static let period = 65_521

    /// Returns the byte at an offset, which must be at least 0.
    public static func byte(at offset: Int) -> UInt8 {
        block[offset % period]
    }

    /// Fills a buffer with the stream, starting at an offset.
    public static func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: Int = 0) {
        var filled = 0
        while filled < buffer.count {
            filled += withPiece(at: offset + filled, upTo: buffer.count - filled) { piece in
                UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(from: piece)
                return piece.count
            }
        }
    }

    /// Compares bytes with the stream, starting at an offset.
    ///
    /// - Returns: The index of the first byte that differs, or nil if all bytes match.
    public static func firstDifference(in bytes: UnsafeRawBufferPointer, from offset: Int = 0) -> Int? {
        var checked = 0
        while checked < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[checked...])
            let (count, difference) = withPiece(at: offset + checked, upTo: rest.count) { piece in
                (piece.count, Self.firstDifference(between: piece, and: rest))
            }
            if let difference { return checked + difference }
            checked += count
        }
        return nil
    }

    private static func firstDifference(
        between piece: UnsafeRawBufferPointer,
        and bytes: UnsafeRawBufferPointer
    ) -> Int? {
        guard let left = piece.baseAddress, let right = bytes.baseAddress, memcmp(left, right, piece.count) != 0 else {
            return nil
        }
        return zip(piece, bytes).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    }

    /// Passes the stream from an offset to the end of the period, or at most `count` bytes of it, to a closure.
    private static func withPiece<Result>(
        at offset: Int,
        upTo count: Int,
        _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        let start = offset % period
        return block.withUnsafeBytes { bytes in
            body(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + count, period)]))
        }
    }

    private static let block: [UInt8] = {
        var generator = SplitMix64(seed: 0)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(period + 7)
        while bytes.count < period {
            withUnsafeBytes(of: generator.next().littleEndian) { bytes.append(contentsOf: $0) }
        }
        return Array(bytes.prefix(period))
    }()
}
