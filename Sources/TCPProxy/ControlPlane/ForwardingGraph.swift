import Glibc
package import Sockets

/// The listeners and pools of a process as a graph, for finding connections that would be forwarded in a circle: to a
/// listener of this process from which the same listener is reached again.
///
/// A chain of listeners that ends at another server is not a loop.
package struct ForwardingGraph: Sendable {
    /// A listener and the pools that it forwards to.
    package struct Listener: Sendable {
        package var name: String
        /// The addresses that it accepts connections at; none if they are unknown.
        package var addresses: [SocketAddress]
        package var pools: [String]

        package init(name: String, addresses: [SocketAddress], pools: [String]) {
            self.name = name
            self.addresses = addresses
            self.pools = pools
        }
    }

    /// A server that is a listener of the same process.
    package struct Loop: Sendable, Hashable {
        /// The listener whose connections come back to it.
        package var listener: String
        package var pool: String
        /// Name of the server.
        package var server: String
        /// The listener that the server is, possibly the same one.
        package var target: String
    }

    private let listeners: [Listener]
    /// For each pool, the listeners of this process among its servers, with the name of the first such server.
    private let targets: [String: [Int: String]]

    /// - Parameters:
    ///   - servers: addresses of the servers of each pool, with the server's name.
    ///   - local: the addresses of this machine.
    package init(
        _ listeners: [Listener],
        servers: [String: [(name: String, address: SocketAddress)]],
        local: LocalAddresses
    ) {
        self.listeners = listeners
        // Most servers have a port or path at which this process does not listen.
        var byPort: [UInt16: [(index: Int, address: InternetAddress)]] = [:]
        var byPath: [String: [Int]] = [:]
        for (index, listener) in listeners.enumerated() {
            for address in listener.addresses {
                switch address {
                case .internet(let address):
                    if address.port != 0 { byPort[address.port, default: []].append((index, address)) }
                case .unix(let path): byPath[Self.canonical(path), default: []].append(index)
                }
            }
        }
        var targets: [String: [Int: String]] = [:]
        for (pool, servers) in servers {
            for server in servers {
                switch server.address {
                case .unix(let path) where !byPath.isEmpty:
                    for index in byPath[Self.canonical(path)] ?? [] where targets[pool]?[index] == nil {
                        targets[pool, default: [:]][index] = server.name
                    }
                case .unix: break
                case .internet(let address):
                    for (index, listening) in byPort[address.port] ?? []
                    where targets[pool]?[index] == nil && listening.accepts(address.connectTarget, local) {
                        targets[pool, default: [:]][index] = server.name
                    }
                }
            }
        }
        self.targets = targets
    }

    /// Returns the path without symbolic links and dots in its directories, so that two spellings are the same; an abstract
    /// name unchanged.
    private static func canonical(_ path: String) -> String {
        guard !SocketAddress.unix(path: path).isAbstract else { return path }
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        guard let resolved = realpath(directory, nil) else { return path }
        defer { free(resolved) }
        let file = slash.map { String(path[path.index(after: $0)...]) } ?? path
        return "\(String(cString: resolved))/\(file)"
    }

    /// Returns the loop through a listener and one of its pools; nil if there is none.
    package func loop(through listener: String, to pool: String) -> Loop? {
        guard let targets = targets[pool], let start = listeners.firstIndex(where: { $0.name == listener }) else {
            return nil
        }
        for (target, server) in targets.sorted(by: { $0.key < $1.key }) where reaches(start, from: target) {
            return Loop(listener: listener, pool: pool, server: server, target: listeners[target].name)
        }
        return nil
    }

    /// The first loop, in the order of the listeners; nil if there is none.
    package var firstLoop: Loop? {
        guard !targets.isEmpty else { return nil }
        for listener in listeners {
            for pool in listener.pools {
                if let loop = loop(through: listener.name, to: pool) { return loop }
            }
        }
        return nil
    }

    /// Returns whether connections to one listener can be forwarded to another one; each listener reaches itself.
    private func reaches(_ wanted: Int, from start: Int) -> Bool {
        var seen: Set<Int> = [start]
        var next = [start]
        // Terminates: each listener is appended once.
        while let index = next.popLast() {
            if index == wanted { return true }
            for pool in listeners[index].pools {
                for target in (targets[pool] ?? [:]).keys where seen.insert(target).inserted { next.append(target) }
            }
        }
        return false
    }
}

extension InternetAddress {
    /// Returns whether a listening socket at this address accepts connections to a local address with the same port.
    fileprivate func accepts(_ target: InternetAddress, _ local: LocalAddresses) -> Bool {
        if high == target.high, low == target.low { return true }
        guard isUnspecified, local.contains(target) else { return false }
        // `::` also accepts IPv4: listeners are dual-stack.
        return low == 0 || target.isIPv4
    }
}

extension ForwardingGraph.Loop: CustomStringConvertible {
    /// The cause, as part of an error message.
    package var description: String {
        target == listener
            ? "server \(server) of pool \(pool) is this listener, so it would connect to itself"
            : "server \(server) of pool \(pool) is listener \(target), which forwards back to this listener"
    }
}
