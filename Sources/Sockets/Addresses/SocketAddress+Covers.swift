extension SocketAddress {
    /// Returns whether this is the wildcard address of a port, and a socket at the other address receives a part of the
    /// connections that a socket at this one would receive. A socket at `::` is dual-stack.
    public func covers(_ other: SocketAddress) -> Bool {
        guard case .internet(let mine) = self, case .internet(let others) = other, mine.port == others.port,
            mine.port != 0, self != other
        else { return false }
        if mine.high == 0, mine.low == 0 { return true }
        return mine.isIPv4 && mine.low == 0xFFFF_0000_0000 && others.isIPv4
    }
}
