/// Sequential writer of message fields in network byte order, into a buffer that must be large enough; traps otherwise.
struct ByteWriter {
    private let buffer: UnsafeMutableRawBufferPointer
    /// Number of bytes written so far.
    private(set) var count = 0

    init(_ buffer: UnsafeMutableRawBufferPointer) {
        self.buffer = buffer
    }

    var written: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[..<count]) }

    mutating func write(byte: UInt8) {
        precondition(count < buffer.count, "the message exceeds its buffer")
        buffer[count] = byte
        count += 1
    }

    mutating func write(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { write(byte: byte) }
    }

    mutating func write(_ text: StaticString) {
        write(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func write<Number: FixedWidthInteger>(number: Number) {
        withUnsafeBytes(of: number.bigEndian) { write($0) }
    }

    /// Writes a number in decimal without leading zeros.
    mutating func write(decimal number: UInt16) {
        var divisor: UInt16 = 10_000
        while divisor > 1, number < divisor { divisor /= 10 }
        while divisor > 0 {
            write(byte: UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    /// Replaces bytes written earlier, at an offset from the start of the buffer.
    mutating func overwrite<Number: FixedWidthInteger>(_ number: Number, at place: Int) {
        precondition(place >= 0 && place + MemoryLayout<Number>.size <= count, "overwrite outside the written bytes")
        buffer.storeBytes(of: number.bigEndian, toByteOffset: place, as: Number.self)
    }
}
