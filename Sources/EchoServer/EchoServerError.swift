import EventLoop
public import ProcessSupport
public import Sockets

/// The reason why an echo server could not be set up.
public enum EchoServerError: Error, Hashable, Sendable {
    /// A setting is outside its range.
    case badSetting(name: String, value: String, allowed: String)
    /// A text is not a valid address.
    case address(AddressParseError)
    /// The host name has no address.
    case unknownHost(String, detail: String)
    /// Listening on the address failed.
    case cannotListen(ListenError)
    /// ``EchoServer/run()`` was called a second time.
    case alreadyRun
    /// A poller could not be created: out of descriptors or memory.
    case system(SystemError)
    /// The system refuses the threads.
    case threadLimit(ThreadLimitError)
}

extension EchoServerError: CustomStringConvertible {
    /// One sentence with the cause and how to fix it.
    public var description: String {
        switch self {
        case .badSetting(let name, let value, let allowed): "invalid \(name) '\(value)': must be \(allowed)"
        case .address(let error): error.description
        case .unknownHost(let host, let detail): HostLookup.Failure(host: host, detail: detail).description
        case .cannotListen(let error): error.description
        case .alreadyRun: "this echo server has already run: bind another one"
        case .system(let error): "cannot start the echo server: \(error)"
        case .threadLimit(let error): error.description
        }
    }
}
