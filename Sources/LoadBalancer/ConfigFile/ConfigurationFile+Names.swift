import Sockets
import TCPProxy

// Resolution of all names in a file, for `monkey check --resolve`.

extension ConfigurationFile {
    /// Positions of the values that can be names of hosts, and of the listeners' pools.
    package struct Locations: Sendable {
        fileprivate var listeners: [String: SourceLocation] = [:]
        fileprivate var pools: [String: SourceLocation] = [:]
        fileprivate var admin: SourceLocation?

        init() {}

        init(of file: ConfigurationFile, in root: YAMLNode) {
            admin = root["admin"]?.location
            let written = root["listeners"]?.members ?? [:]
            for listener in file.listeners {
                listeners[listener.name] = written[listener.name]?["listen"]?.location
                pools[listener.name] = written[listener.name]?["pool"]?.location
            }
        }
    }

    /// Maximum number of names that are resolved at the same time.
    private static let maxLookups = 16

    /// The name of a listener or of the admin endpoint.
    private struct Name: Sendable {
        var path: String
        var location: SourceLocation
        var text: String
        /// The listener; nil for the admin endpoint.
        var listener: String?
        /// Returns the addresses, or why the name has none.
        var lookUp: @Sendable () async -> Result<[SocketAddress], ProxyError>
    }

    /// Resolves every name of a host or service in the file.
    ///
    /// - Returns: the number of names, and an error for each that has no address and for each loop that the addresses
    ///   make visible, in file order.
    package func resolveNames() async -> (count: Int, failures: [Diagnostic]) {
        let names = names
        async let servers = resolvedServers()
        var failures: [Diagnostic] = []
        var listeners: [String: [SocketAddress]] = [:]
        await withTaskGroup(of: (Name, Result<[SocketAddress], ProxyError>).self) { group in
            func collect(_ name: Name, _ result: Result<[SocketAddress], ProxyError>) {
                switch result {
                case .success(let addresses):
                    if let listener = name.listener { listeners[listener] = addresses }
                case .failure(let error):
                    var cause = "\(error)"
                    if case .unknownHost(_, let detail) = error { cause = detail }
                    let text = "cannot resolve \(quoted(name.text)): \(cause)"
                    failures.append(Diagnostic(.error, at: name.location, path: name.path, text))
                }
            }
            for (index, name) in names.enumerated() {
                if index >= Self.maxLookups, let (name, result) = await group.next() { collect(name, result) }
                group.addTask { (name, await name.lookUp()) }
            }
            for await (name, result) in group { collect(name, result) }
        }
        let count = names.count + pools.reduce(0) { $0 + $1.servers.count(where: \.address.isName) }
        failures += await servers.failures
        failures += loops(in: ForwardingGraph(self, listeners: listeners, servers: await servers.servers))
        return (count, failures.sorted { ($0.location, $0.path) < ($1.location, $1.path) })
    }

    /// Returns an error for each listener with a loop.
    private func loops(in graph: ForwardingGraph) -> [Diagnostic] {
        listeners.compactMap { listener in
            guard let loop = listener.allPools.lazy.compactMap({ graph.loop(through: listener.name, to: $0) }).first
            else { return nil }
            return Diagnostic(
                .error,
                at: locations.pools[listener.name] ?? SourceLocation(line: 1, column: 1),
                path: "listeners.\(listener.name).pool",
                "\(loop): change one of the addresses"
            )
        }
    }

    private var names: [Name] {
        let start = SourceLocation(line: 1, column: 1)
        var names: [Name] = []
        if let admin, case .name(let host, _) = admin {
            names.append(Self.name(admin, host, path: "admin", at: locations.admin ?? start))
        }
        for listener in listeners {
            guard case .name(let host, _) = listener.listen else { continue }
            let location = locations.listeners[listener.name] ?? start
            var name = Self.name(listener.listen, host, path: "listeners.\(listener.name).listen", at: location)
            name.listener = listener.name
            names.append(name)
        }
        return names
    }

    /// Returns a name that the system resolver resolves.
    private static func name(
        _ address: ServiceAddress,
        _ host: String,
        path: String,
        at location: SourceLocation
    ) -> Name {
        Name(path: path, location: location, text: host) {
            do throws(ProxyError) {
                return .success(try await Resolver.addresses(of: address))
            } catch {
                return .failure(error)
            }
        }
    }
}
