import EventLoop
public import ProcessSupport
public import Sockets
public import TLS

/// The reason why a load test could not run.
public enum LoadTestError: Error, Sendable, Equatable {
    /// A setting of the plan is outside its range, or conflicts with another.
    case badSetting(name: String, value: String, allowed: String)
    /// A name has no address; `reason` is the resolver's error.
    case unknownHost(name: String, reason: String)
    /// The descriptor limit of the process is lower than the plan needs.
    case descriptorLimit(limit: Int, needed: Int)
    /// There are fewer local ports than connections to the target.
    case portLimit(available: Int, connections: Int)
    /// A source address does not belong to this machine, or cannot be bound.
    case badSource(SourceAddressError)
    /// A source address has a different address family than the target.
    case foreignSource(InternetAddress, target: String)
    /// No connection could be opened; contains the number of failures by cause.
    case noConnection(target: String, failures: LoadTest.FailureCounts)
    /// TLS is not available, or a certificate or a setting of it cannot be used.
    case tls(TLSError)
    /// A poller or a timer could not be created.
    case system(SystemError)
    /// The system refuses the threads.
    case threadLimit(ThreadLimitError)
    /// The test has already run; a test runs once.
    case alreadyRun
}

extension LoadTestError: CustomStringConvertible {
    /// One sentence with the cause and how to fix it.
    public var description: String {
        switch self {
        case .badSetting(let name, let value, let allowed): "invalid \(name) '\(value)': must be \(allowed)"
        case .unknownHost(let name, let reason): HostLookup.Failure(host: name, detail: reason).description
        case .descriptorLimit(let limit, let needed):
            "\(needed) descriptors needed, and the limit is \(limit): raise it (ulimit -n), or use fewer connections"
        case .portLimit(let available, let connections):
            "\(connections) connections need as many local ports, and there are \(available) (ip_local_port_range): "
                + "use fewer connections, or more source addresses"
        case .badSource(let error): error.description
        case .foreignSource(let address, let target):
            "cannot connect from \(address.host) to \(target): use source addresses of the target's address family"
        case .noConnection(let target, let failures):
            "cannot connect to \(target) (\(ReportText.errors(failures))): "
                + (failures[.tls] > 0
                    ? "check the authorities (--tls-ca), the name in the certificate (--tls-name), and that the server speaks TLS"
                    : "check that a server listens there")
        case .tls(let error): error.description
        case .system(let error): "cannot set up the load test: \(error)"
        case .threadLimit(let error): error.description
        case .alreadyRun: "this load test has already run: create another one from its plan"
        }
    }
}
