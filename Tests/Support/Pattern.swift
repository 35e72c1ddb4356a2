import Glibc
package import Testing

/// An endless stream of bytes determined by a seed, to be sent and to be compared with the data that arrives.
///
/// The stream repeats a block of random bytes whose length is prime, so that lost, duplicated, altered or moved bytes
/// are detected at the first difference. Comparison is `memcmp`: 64 MiB take negligible time even in a debug build.
package struct Pattern: Sendable {
    /// The block twice, so that any window of up to one period is contiguous.
    private let block: [UInt8]

    package static let period = 1_048_573

    package init(seed: UInt64) {
        var state = seed
        var words = [UInt64](repeating: 0, count: Self.period / 8 + 1)
        for index in words.indices {
            // splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
            state &+= 0x9e37_79b9_7f4a_7c15
            var word = state
            word = (word ^ (word &>> 30)) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ (word &>> 27)) &* 0x94d0_49bb_1331_11eb
            words[index] = word ^ (word &>> 31)
        }
        let once = words.withUnsafeBytes { Array($0.prefix(Self.period)) }
        block = once + once
    }

    /// Passes the bytes of the stream from `offset` on to the closure: `count` of them, or one period if that is less.
    package func withBytes<Result>(
        from offset: Int,
        count: Int,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let start = offset % Self.period
        return try block.withUnsafeBytes {
            try body(UnsafeRawBufferPointer(rebasing: $0[start..<start + min(count, Self.period)]))
        }
    }

    package func bytes(from offset: Int = 0, count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            withBytes(from: offset + bytes.count, count: count - bytes.count) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    /// Checks that `bytes` are those of the stream from `offset` on.
    ///
    /// - Throws: ``Unexpected``, which names the first byte that differs.
    package func check(
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int,
        from location: SourceLocation = #_sourceLocation
    ) throws {
        var checked = 0
        while checked < bytes.count {
            try withBytes(from: offset + checked, count: bytes.count - checked) { expected in
                let part = UnsafeRawBufferPointer(rebasing: bytes[checked..<checked + expected.count])
                if memcmp(part.baseAddress!, expected.baseAddress!, expected.count) != 0 {
                    let first = zip(part, expected).enumerated().first { $0.element.0 != $0.element.1 }!.offset
                    throw Unexpected("byte \(offset + checked + first) differs from what was sent", at: location)
                }
                checked += expected.count
            }
        }
    }
}
