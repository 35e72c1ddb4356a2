/// Identifier of a connection, unique for the lifetime of the proxy.
public struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    /// Number of the worker that owns the connection in the upper 16 bits, its sequence number there in the lower 48.
    public let rawValue: UInt64

    package init(worker: Int, count: UInt64) {
        rawValue = UInt64(worker) << 48 | (count & 0xFFFF_FFFF_FFFF)
    }

    /// Parses the format of ``description``; returns nil for any other text.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let worker = UInt16(parts[0]), let count = UInt64(parts[1]), count >> 48 == 0 else {
            return nil
        }
        rawValue = UInt64(worker) << 48 | count
    }

    /// The two parts of ``rawValue`` in decimal, separated by a dot.
    public var description: String { "\(rawValue >> 48).\(rawValue & 0xFFFF_FFFF_FFFF)" }
}
