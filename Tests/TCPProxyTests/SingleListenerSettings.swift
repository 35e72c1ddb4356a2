import Sockets

@testable import TCPProxy

/// The settings of a proxy with one listener: no setting exists in both parts, so each is found by its name.
@dynamicMemberLookup
struct SingleListenerSettings {
    var process = ProxyConfiguration()
    var listener = ListenerConfiguration(address: .socket(SocketAddress("127.0.0.1:0")))

    init() {}

    init(threads: Int, _ configure: (inout SingleListenerSettings) -> Void) {
        process.threads = threads
        configure(&self)
    }

    subscript<Value>(dynamicMember path: WritableKeyPath<ProxyConfiguration, Value>) -> Value {
        get { process[keyPath: path] }
        set { process[keyPath: path] = newValue }
    }

    subscript<Value>(dynamicMember path: WritableKeyPath<ListenerConfiguration, Value>) -> Value {
        get { listener[keyPath: path] }
        set { listener[keyPath: path] = newValue }
    }
}

extension Proxy {
    /// Binds a proxy with one listener and one upstream.
    static func bind(
        _ listen: String,
        to upstream: String,
        proxyProtocol: ProxyProtocolVersion? = nil,
        settings: SingleListenerSettings
    ) async throws(ProxyError) -> Proxy {
        var listener = settings.listener
        let address: ServiceAddress
        do throws(AddressParseError) {
            listener.address = try ServiceAddress(parsing: listen)
            address = try ServiceAddress(parsing: upstream)
        } catch {
            throw .address(error)
        }
        listener.name = listen
        return try await bind(listener, to: address, proxyProtocol: proxyProtocol, configuration: settings.process)
    }
}
