public import Sockets
public import TLS

/// A system with the transform that its endpoints may use.
public protocol RelaySystem: System, ~Copyable {
    associatedtype Transform: EndpointTransform
}

extension LinuxSystem: RelaySystem {
    public typealias Transform = TLSSession
}
