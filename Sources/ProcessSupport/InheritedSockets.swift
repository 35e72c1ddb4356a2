public import Sockets

/// The listening sockets that the service manager passed to this process (sd_listen_fds(3)).
public struct InheritedSockets: Sendable {
    /// The number of the first passed descriptor.
    private static let firstDescriptor: Int32 = 3
    private static let maxCount = 4096

    private var sockets: [String: InheritedSocket] = [:]

    /// Reads `LISTEN_FDS`, `LISTEN_FDNAMES` and `LISTEN_PID`, and validates the descriptors.
    ///
    /// - Parameters:
    ///   - environment: returns the value of an environment variable.
    ///   - process: the number of this process. Sockets for another process are ignored.
    public init(environment: (String) -> String?, process: Int32) throws(InheritedSocketsError) {
        guard let count = environment("LISTEN_FDS"), environment("LISTEN_PID") == "\(process)" else { return }
        guard let count = Int32(count), (0...Int32(Self.maxCount)).contains(count) else {
            throw .badCount(count, most: Self.maxCount)
        }
        let text = environment("LISTEN_FDNAMES") ?? ""
        let names = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard count > 0 else { return }
        guard names.count == Int(count) else { throw .nameCount(names.count, sockets: Int(count)) }
        for (index, name) in names.enumerated() {
            let socket: InheritedSocket
            do throws(InheritedSocketError) {
                socket = try InheritedSocket(name: name, descriptor: Self.firstDescriptor + Int32(index))
            } catch {
                throw .socket(error)
            }
            guard sockets.updateValue(socket, forKey: name) == nil else { throw .duplicateName(name) }
        }
    }

    /// Removes and returns the socket with a name; nil if there is none.
    public mutating func take(_ name: String) -> InheritedSocket? {
        sockets.removeValue(forKey: name)
    }

    /// Requires that every socket has been taken.
    ///
    /// - Parameter known: the names that would have been taken, for the message.
    public func requireNoneLeft(known: [String]) throws(InheritedSocketsError) {
        guard let name = sockets.keys.min() else { return }
        throw .unknownName(name, known: known)
    }
}

/// The reason why the sockets of the service manager cannot be used.
public enum InheritedSocketsError: Error, Hashable, Sendable {
    case badCount(String, most: Int)
    case nameCount(Int, sockets: Int)
    case duplicateName(String)
    case unknownName(String, known: [String])
    case socket(InheritedSocketError)
}

extension InheritedSocketsError: CustomStringConvertible {
    /// What failed, why, and how to fix it.
    public var description: String {
        switch self {
        case .badCount(let text, let most):
            "invalid LISTEN_FDS '\(text)': must be 0 to \(most): start the process by the socket unit"
        case .nameCount(let count, let sockets):
            "LISTEN_FDNAMES has \(count) names for \(sockets) inherited sockets: "
                + "set FileDescriptorName= in each socket unit"
        case .duplicateName(let name):
            "several inherited sockets have the name '\(name)': "
                + "write one socket unit with its own FileDescriptorName= for each listener"
        case .unknownName(let name, let known):
            "inherited socket '\(name)' matches no listener: "
                + "set FileDescriptorName= in its socket unit to one of: \(known.joined(separator: ", "))"
        case .socket(let error): error.description
        }
    }
}
