import Glibc

/// The service manager that started the process, such as systemd, and the socket on which it receives notifications.
///
/// The protocol is that of sd_notify(3): datagrams with `NAME=value` lines, sent to the socket in `NOTIFY_SOCKET`.
/// Sending never waits, and failures are ignored: a service manager that does not listen must not affect the service.
public struct ServiceManager: Sendable, Equatable {
    /// A change of state that the service manager acts on.
    public enum Notification: Sendable, Equatable {
        /// The service is started, or its reload is complete.
        case ready
        /// The service began to reload its configuration, at this monotonic time in nanoseconds.
        case reloading(monotonicNanoseconds: UInt64)
        /// The service began to stop.
        case stopping
        /// The service works; due within each ``ServiceManager/watchdogInterval``.
        case watchdog
        /// A description of the state on one line, for the operator.
        case status(String)

        var lines: String {
            switch self {
            case .ready: "READY=1"
            case .reloading(let nanoseconds): "RELOADING=1\nMONOTONIC_USEC=\(nanoseconds / 1000)"
            case .stopping: "STOPPING=1"
            case .watchdog: "WATCHDOG=1"
            case .status(let text): "STATUS=\(text.prefix(while: { !$0.isNewline }))"
            }
        }
    }

    /// The address of the notification socket: a path, or `@` and an abstract name.
    public let address: String

    /// Half the time within which the service manager expects ``Notification/watchdog``; nil if it expects none.
    public let watchdogInterval: Duration?

    /// Creates the service manager that the environment names; returns nil if there is none.
    ///
    /// - Parameters:
    ///   - environment: returns the value of an environment variable.
    ///   - process: the number of this process. `WATCHDOG_USEC` of another process is ignored.
    public init?(environment: (String) -> String?, process: Int32) {
        guard let address = environment("NOTIFY_SOCKET"), Self.socketAddress(address) != nil else { return nil }
        self.address = address
        let isForThisProcess = environment("WATCHDOG_PID").map { $0 == "\(process)" } ?? true
        if isForThisProcess, let microseconds = environment("WATCHDOG_USEC").flatMap({ Int64($0) }), microseconds > 1 {
            watchdogInterval = .microseconds(microseconds / 2)
        } else {
            watchdogInterval = nil
        }
    }

    /// Sends notifications in one datagram.
    public func notify(_ notifications: Notification...) {
        guard case (var destination, let length)? = Self.socketAddress(address) else { return }
        let sender = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard sender >= 0 else { return }
        defer { close(sender) }
        let message = Array(notifications.map(\.lines).joined(separator: "\n").utf8)
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        withUnsafePointer(to: &destination) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { destination in
                _ = sendto(sender, message, message.count, flags, destination, length)
            }
        }
    }

    /// Returns the socket address of a path or an abstract name; nil if it is neither or too long.
    private static func socketAddress(_ text: String) -> (sockaddr_un, socklen_t)? {
        var address = sockaddr_un()
        var bytes = Array(text.utf8)
        guard bytes.count > 1, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        switch bytes[0] {
        case UInt8(ascii: "/"): bytes.append(0)
        case UInt8(ascii: "@"): bytes[0] = 0
        default: return nil
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? MemoryLayout<sa_family_t>.size
        return (address, socklen_t(offset + bytes.count))
    }
}
