import CLinux
import Glibc
import NIOCore
import Sockets

extension NIOCore.SocketAddress {
    /// Converts an address to that of SwiftNIO.
    init(_ address: Sockets.SocketAddress) throws {
        switch address {
        case .internet(let internet):
            // Converted through the system's structure, which keeps the interface of a link-local address.
            let raw = RawAddress(internet)
            self = internet.isIPv4 ? Self(raw.address.v4) : Self(raw.address.v6)
        case .unix(let path):
            // SwiftNIO cannot express an abstract name, whose length is that of the address.
            guard !address.isAbstract else { throw SystemError(code: EAFNOSUPPORT) }
            self = try Self(unixDomainSocketPath: path)
        }
    }
}

extension SystemError {
    /// Extracts the errno of a SwiftNIO error. An error without one is SwiftNIO's own about a closed channel and
    /// becomes ECONNABORTED.
    init(_ error: any Error) {
        self = error as? SystemError ?? Self(code: (error as? IOError)?.errnoCode ?? ECONNABORTED)
    }
}
