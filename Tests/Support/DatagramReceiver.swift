import Glibc
package import Testing

/// A bound datagram socket that receives notifications, as systemd has one for each service.
package final class DatagramReceiver: Sendable {
    package let address: String
    private let descriptor: Int32

    package init(isAbstract: Bool) throws {
        let name = "/tmp/monkey-notify-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        address = isAbstract ? "@" + name : name
        descriptor = try retried("socket") {
            socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        }
        try setDeadlines(of: descriptor, to: patience)
        var socketAddress = sockaddr_un()
        socketAddress.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(address.utf8)
        if isAbstract { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &socketAddress.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (isAbstract ? 0 : 1))
        try withUnsafePointer(to: &socketAddress) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = try retried("bind") { bind(descriptor, pointer, length) }
            }
        }
    }

    deinit {
        close(descriptor)
        if !address.hasPrefix("@") { unlink(address) }
    }

    /// Waits for the next datagram.
    package func receive() throws -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = try retried("recv") { recv(descriptor, &bytes, bytes.count, 0) }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// Waits for a datagram with a line that begins with a text, and returns its lines; discards the datagrams before it.
    package func lines(with prefix: String, at location: SourceLocation = #_sourceLocation) throws -> [String] {
        let limit = ContinuousClock.now + patience
        while ContinuousClock.now < limit {
            let lines = try receive().split(separator: "\n").map(String.init)
            if lines.contains(where: { $0.hasPrefix(prefix) }) { return lines }
        }
        throw TimedOut(waitingFor: prefix, after: patience, at: location)
    }
}
