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
        case .noConnection(let target, let failures):
            "no connection to \(target) could be opened (\(failures.inWords)): check that it listens there"
        case .system(let error):
            "the system refused what a load test needs: \(error)"
        case .ranAlready:
            "this load test has run already: make another one of its plan"
        }
    }
}

extension FailureCounts {
    /// `3 refused, 1 timeout`.
    package var inWords: String {
        FailureCause.allCases.filter { self[$0] > 0 }.map { cause in
            let error = cause == .other ? otherError.map { " (\($0))" } ?? "" : ""
            return "\(self[cause]) \(cause.name.replacing("_", with: " "))\(error)"
        }.joined(separator: ", ")
    }
}
