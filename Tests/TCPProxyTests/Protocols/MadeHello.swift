/// A generated ClientHello, each field of which a test can set.
struct MadeHello {
    var version: [UInt8] = [3, 3]
    var session: [UInt8] = []
    var suites: [UInt8] = [0x13, 0x01]
    var compressions: [UInt8] = [0]
    var extensions: [(type: UInt16, contents: [UInt8])] = []
    /// Raw extensions, which replace those.
    var rawExtensions: [UInt8]?

    static func vector(_ bytes: [UInt8], lengthBytes: Int) -> [UInt8] {
        (0..<lengthBytes).reversed().map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes
    }

    static func serverName(_ name: String) -> (type: UInt16, contents: [UInt8]) {
        (0, vector([0] + vector(Array(name.utf8), lengthBytes: 2), lengthBytes: 2))
    }

    static func protocols(_ names: [String]) -> (type: UInt16, contents: [UInt8]) {
        (16, vector(names.flatMap { vector(Array($0.utf8), lengthBytes: 1) }, lengthBytes: 2))
    }

    /// As browsers send it: reserved unknown values (RFC 8701) everywhere, and a post-quantum key share of 1,216 bytes.
    static func browser(_ name: String) -> MadeHello {
        var hello = MadeHello()
        hello.session = Array(0..<32)
        hello.suites = [0x4A, 0x4A, 0x13, 0x01, 0x13, 0x02, 0xC0, 0x2B]
        let shares =
            [0x3A, 0x3A] + vector([0], lengthBytes: 2)
            + [0x11, 0xEC] + vector((0..<1216).map { UInt8(truncatingIfNeeded: $0) }, lengthBytes: 2)
            + [0x00, 0x1D] + vector([UInt8](repeating: 7, count: 32), lengthBytes: 2)
        hello.extensions = [
            (0x9A9A, []), (51, vector(shares, lengthBytes: 2)), serverName(name),
            (43, vector([0x2A, 0x2A, 3, 4, 3, 3], lengthBytes: 1)), protocols(["h2", "http/1.1"]), (0xCACA, [0]),
        ]
        return hello
    }

    /// The handshake message, with its header.
    var message: [UInt8] {
        var contents = version + [UInt8](repeating: 0x5A, count: 32)
        contents += Self.vector(session, lengthBytes: 1)
        contents += Self.vector(suites, lengthBytes: 2)
        contents += Self.vector(compressions, lengthBytes: 1)
        if let rawExtensions {
            contents += rawExtensions
        } else {
            let each = extensions.flatMap { type, contents in
                [UInt8(type >> 8), UInt8(truncatingIfNeeded: type)] + Self.vector(contents, lengthBytes: 2)
            }
            contents += Self.vector(each, lengthBytes: 2)
        }
        return [1] + Self.vector(contents, lengthBytes: 3)
    }

    var bytes: [UInt8] { Self.records(message) }

    /// A message in records of at most `length` bytes each.
    static func records(_ message: [UInt8], of length: Int = 16_384) -> [UInt8] {
        stride(from: 0, to: message.count, by: length).flatMap { start in
            [22, 3, 1] + vector(Array(message[start..<min(start + length, message.count)]), lengthBytes: 2)
        }
    }
}
