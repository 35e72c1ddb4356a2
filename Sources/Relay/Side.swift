/// The side of a connection to which an endpoint belongs.
public enum Side: UInt8, Sendable {
    case client
    case server
}
