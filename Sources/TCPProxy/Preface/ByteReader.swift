/// Reads the fields of a message one after the other, in network byte order. Past the end there is nil and never a trap.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    /// Where the next field begins, counted from the first of all bytes.
    private(set) var position: Int
    private let end: Int

    /// - Parameter range: what may be read; cut to the bytes that there are.
    init(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>) {
        let range = range.clamped(to: 0..<bytes.count)
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    init(_ bytes: UnsafeRawBufferPointer) {
        self.init(bytes, in: 0..<bytes.count)
    }

    var remaining: Int { end - position }
    var isAtEnd: Bool { position == end }

    mutating func readByte() -> UInt8? {
        guard let field = readField(1) else { return nil }
        return bytes[field.lowerBound]
    }

    /// A whole number of `count` bytes, 1 to 8.
    mutating func readNumber(bytes count: Int) -> Int? {
        guard let field = readField(count) else { return nil }
        return field.reduce(0) { $0 << 8 | Int(bytes[$1]) }
    }

    /// Where the next `count` bytes are.
    mutating func readField(_ count: Int) -> Range<Int>? {
        guard count >= 0, count <= remaining else { return nil }
        defer { position += count }
        return position..<(position + count)
    }

    /// A field whose length stands before it, in `lengthBytes` bytes.
    mutating func readVector(lengthBytes: Int) -> Range<Int>? {
        guard let length = readNumber(bytes: lengthBytes) else { return nil }
        return readField(length)
    }
}
