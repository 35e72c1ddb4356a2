import CLinux
import Glibc

// Calls without a poller, and socket options.

extension LinuxSystem {
    /// Duplicates a descriptor (dup(2)).
    public static func duplicate(_ number: Int32) throws(SystemError) -> Descriptor {
        let result = linux_duplicate(number)
        if result < 0 { throw SystemError(result: result) }
        return Descriptor(adopting: Int32(result))
    }

    /// Checks whether outgoing connections can use a local address: binds a socket to it and closes the socket.
    public static func tryBinding(to address: InternetAddress) throws(SystemError) {
        var raw = RawAddress(address)
        raw.clearPort()
        let descriptor = try socket(family: raw.family)
        let result = linux_bind(descriptor.number, &raw.address)
        linux_close(descriptor.release())
        try check(result)
    }

    static func socket(family: Int32) throws(SystemError) -> Descriptor {
        let result = linux_socket(family)
        if result < 0 { throw SystemError(result: result) }
        return Descriptor(adopting: Int32(result))
    }

    static func check(_ result: Int64) throws(SystemError) {
        if result < 0 { throw SystemError(result: result) }
    }

    static func set(
        _ descriptor: borrowing Descriptor,
        _ level: Int32,
        _ name: Int32,
        _ value: Int32
    ) throws(SystemError) {
        try check(linux_set_option(descriptor.number, level, name, value))
    }

    static func apply(
        _ options: borrowing SocketOptions,
        to descriptor: borrowing Descriptor
    ) throws(SystemError) {
        let tcp = Int32(IPPROTO_TCP)
        // The proxy only writes data that it has already received: holding small segments back (Nagle, RFC 896) would
        // add delay.
        try set(descriptor, tcp, TCP_NODELAY, 1)
        // Keeps an urgent byte in line in the stream. Out of band it would be lost.
        try set(descriptor, SOL_SOCKET, SO_OOBINLINE, 1)
        if let keepAlive = options.keepAlive { try apply(keepAlive, to: descriptor) }
        if let tcpUserTimeout = options.tcpUserTimeout {
            try set(descriptor, tcp, TCP_USER_TIMEOUT, Int32(clamping: tcpUserTimeout.wholeNanoseconds / 1_000_000))
        }
        if let pacingRate = options.pacingRate {
            try set(descriptor, SOL_SOCKET, SO_MAX_PACING_RATE, Int32(clamping: pacingRate))
        }
    }

    static func apply(
        _ keepAlive: KeepAlive,
        to descriptor: borrowing Descriptor
    ) throws(SystemError) {
        let tcp = Int32(IPPROTO_TCP)
        let seconds = Int32(clamping: max(1, keepAlive.interval.components.seconds))
        try set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        try set(descriptor, tcp, TCP_KEEPIDLE, min(seconds, 32_767))
        try set(descriptor, tcp, TCP_KEEPINTVL, min(seconds, 32_767))
        try set(descriptor, tcp, TCP_KEEPCNT, Int32(min(max(keepAlive.probes, 1), 127)))
    }
}
