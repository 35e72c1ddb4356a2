import Glibc

/// An endless stream of bytes that anybody can make and check from any point on: what a source sends, and what a tester
/// compares with.
///
/// The byte at offset `i` depends on `i` alone. With `r = i mod 65,521`, it is byte `r mod 8`, the least significant
/// first, of output number `r / 8` (from 0) of SplitMix64 with the seed 0. The period is a prime, so bytes that are lost,
/// doubled, altered or moved show at the first one that differs, also where whole pages or buffers are.
public enum BytePattern {
    /// After so many bytes the stream begins anew: the largest prime below 2^16.
    public static let period = 65_521

    /// The byte at an offset from 0 on.
    public static func byte(at offset: Int) -> UInt8 {
        block[offset % period]
    }

    /// Fills a buffer with the stream from an offset on.
    public static func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: Int = 0) {
        var filled = 0
        while filled < buffer.count {
            filled += withPiece(at: offset + filled, upTo: buffer.count - filled) { piece in
                UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(from: piece)
                return piece.count
            }
        }
    }

    /// Compares bytes with the stream from an offset on.
    ///
    /// - Returns: the index of the first that differs, nil if none does.
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

    /// Lends the stream from an offset to the end of its period, or less of it.
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

/// A small generator with a seed, for what must be the same each time (Steele, Lea and Flood, "Fast Splittable
/// Pseudorandom Number Generators", OOPSLA 2014).
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) {
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
