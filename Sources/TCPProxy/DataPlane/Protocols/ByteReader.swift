/// Sequential reader of message fields in network byte order. Reading past the end returns nil and never traps.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    /// Offset of the next field from the start of the whole buffer.
    private(set) var position: Int
    private let end: Int

    /// - Parameter range: range to read, clamped to the buffer.
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

    /// Reads an unsigned number of `count` bytes, 1 to 8.
    mutating func readNumber(bytes count: Int) -> Int? {
        guard let field = readField(count) else { return nil }
        return field.reduce(0) { $0 << 8 | Int(bytes[$1]) }
    }

    /// Skips the next `count` bytes and returns their range.
    mutating func readField(_ count: Int) -> Range<Int>? {
        guard count >= 0, count <= remaining else { return nil }
        defer { position += count }
        return position..<(position + count)
    }

    /// Reads a length of `lengthBytes` bytes, skips a field of that length, and returns the range of the field.
    mutating func readVector(lengthBytes: Int) -> Range<Int>? {
        guard let length = readNumber(bytes: lengthBytes) else { return nil }
        return readField(length)
    }
}
