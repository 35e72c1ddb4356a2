import CLinux
import Glibc
import NIOCore
import Sockets

extension NIOCore.SocketAddress {
    /// Our own form of an address in SwiftNIO's.
    init(_ address: Sockets.SocketAddress) throws {
        switch address {
        case .internet(let internet):
            // By way of the system's form, so that the interface of a link-local address comes along.
            let raw = RawAddress(internet)
            self = internet.isIPv4 ? Self(raw.address.v4) : Self(raw.address.v6)
        case .unix(let path):
            self = try Self(unixDomainSocketPath: path)
        }
    }
}

extension SystemError {
    /// The errno in an error of SwiftNIO's. What has none is one of its own about a channel that is closed.
    init(_ error: any Error) {
        self.init(code: (error as? IOError)?.errnoCode ?? ECONNABORTED)
    }
}
