public import Sockets

/// Why a load test could not run.
public enum LoadError: Error, Sendable, Equatable {
    /// A setting of the plan is outside its range, or does not go with another.
    case badSetting(name: String, value: String, allowed: String)
    /// A name that has no address, and what the resolver said.
    case unknownHost(name: String, reason: String)
    /// The process may not have as many descriptors open as the plan needs.
    case descriptorLimit(limit: Int, needed: Int)
    /// There are not as many local ports as the plan has connections to one target.
    case portLimit(available: Int, connections: Int)
    /// A source address that this machine does not have.
    case badSource(InternetAddress, SystemError)
    /// A source address of another family than the target's, which no connection can be made from.
    case foreignSource(InternetAddress, target: String)
    /// Not one connection could be opened: why, for each that was tried.
    case noConnection(target: String, failures: FailureCounts)
    /// A poller, a timer or a thread could not be had.
    case system(SystemError)
    /// A test runs once.
    case ranAlready
}

extension LoadError: CustomStringConvertible {
    /// One sentence that says what is wrong and how to mend it.
    public var description: String {
        switch self {
        case .badSetting(let name, let value, let allowed):
            "\(name) is \(value): make it \(allowed)"
        case .unknownHost(let name, let reason):
            "the host \(name) has no address (\(reason)): check its name, or write an IP address"
        case .descriptorLimit(let limit, let needed):
            "\(needed) descriptors are needed, and the limit is \(limit): raise it (ulimit -n), or take fewer connections"
        case .portLimit(let available, let connections):
            "\(connections) connections need as many local ports, and there are \(available) (ip_local_port_range): "
                + "take fewer connections, or more source addresses"
        case .badSource(let address, .addressNotAvailable):
            "cannot connect from \(address.host): this machine does not have that address"
        case .badSource(let address, let error):
            "cannot connect from \(address.host): \(error)"
        case .foreignSource(let address, let target):
            "cannot connect from \(address.host) to \(target): take source addresses of the target's kind"
        case .noConnection(let target, let failures):
            "no connection to \(target) could be opened (\(ReportText.errors(failures.byName, other: failures.otherError?.description))): check that it listens there"
        case .system(let error):
            "the system refused what a load test needs: \(error)"
        case .ranAlready:
            "this load test has run already: make another one of its plan"
        }
    }
}
