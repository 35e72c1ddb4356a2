import EventLoop
import Glibc
import Sockets

/// Name resolution.
enum Resolver {
    /// Maximum wait for the C library's resolver, which has no configurable deadline of its own.
    static let patience: Duration = .seconds(15)

    /// - Returns: the first address that accepts a connection; if none does, the first address.
    static func resolve(_ address: ServiceAddress, connectTimeout: Duration) async throws(LoadTestError)
        -> SocketAddress
    {
        let addresses: [InternetAddress]
        switch address {
        case .socket(let socket): return socket
        case .name(let host, let port): addresses = try await self.addresses(of: host, port: port)
        }
        if addresses.count > 1 {
            let answering = await abandoning(after: connectTimeout * addresses.count + .seconds(1)) {
                // Without a thread, the first address is used.
                (try? await WorkerThread.run(name: "resolver") {
                    addresses.first { answers($0, within: connectTimeout) }
                }) ?? nil
            }
            if let answering, let address = answering { return .internet(address) }
        }
        return .internet(addresses[0])
    }

    /// - Returns: at least one address.
    private static func addresses(of host: String, port: UInt16) async throws(LoadTestError) -> [InternetAddress] {
        let result = await abandoning(after: patience) { () -> Result<[InternetAddress], HostLookup.Failure> in
            do throws(HostLookup.Failure) {
                return .success(try await HostLookup.addresses(of: host, port: port))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let addresses): return addresses
        case .failure(let failure): throw .unknownHost(name: host, reason: failure.detail)
        case nil: throw .unknownHost(name: host, reason: "the resolver did not answer within \(patience)")
        }
    }

    /// Whether the address accepts a connection. Tried only if a name has several addresses: it costs the target a
    /// connection.
    private static func answers(_ address: InternetAddress, within limit: Duration) -> Bool {
        guard var system = try? MeteredSystem(wakerToken: .loadWaker, timerToken: .loadTimer),
            let descriptor = try? system.connect(to: RawAddress(address), from: nil, options: SocketOptions())
        else { return false }
        let token = Token(slot: 0, generation: 1, kind: TokenKind.connection)
        var isConnected = false
        if system.register(descriptor, for: .connection, token: token) == nil {
            let deadline = system.now() + limit
            var isLast = false
            waiting: while !isLast {
                // The last poll begins after the deadline: the process may have been stopped until then.
                isLast = system.now() >= deadline
                for index in 0..<system.wait(until: deadline) {
                    let event = system.event(index)
                    guard event.token == token else { continue }
                    isConnected = event.readiness.isDisjoint(with: [.failed, .hungUp])
                    break waiting
                }
            }
        }
        if isConnected, system.isConnectedToItself(descriptor) {
            system.abort(descriptor)
            return false
        }
        system.close(descriptor)
        return isConnected
    }
}
