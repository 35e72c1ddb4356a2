import Sockets

/// Opens the sockets of a listener, one for each worker.
///
/// TCP: the first is bound alone, so that an address in use is told (another process of the same user could else share
/// it unseen); the others join it by SO_REUSEPORT, and the kernel spreads connections over them. A Unix socket cannot
/// be shared that way, so there workers have duplicates of one.
struct Listening: Sendable {
    /// Where it listens; port 0 is resolved once the first socket is open.
    private(set) var address: SocketAddress
    /// The Unix socket's file, to be removed at the end.
    private(set) var file: UnixSocketFile?
    private let name: ServiceAddress
    private let options: ListenOptions
    /// How those who come there are served.
    let settings: ListenerSettings
    private var isFounded = false
    private var original: Int32?

    init(_ plan: CorePlan.Listener) throws(ProxyError) {
        address = plan.address
        name = plan.written
        options = plan.options
        settings = plan.settings
        if case .unix(let path) = address { try Self.makeWay(path, name) }
    }

    /// The next worker's socket.
    mutating func socket(on system: inout LinuxSystem) throws(ProxyError) -> Descriptor {
        do throws(SystemError) {
            if let original { return try LinuxSystem.duplicate(original) }
            var options = options
            options.sharing = isFounded ? .joining : .founding
            let descriptor = try system.listen(at: address, options: options)
            do throws(SystemError) {
                address = try system.localAddress(of: descriptor)
            } catch {
                system.close(descriptor)
                throw error
            }
            isFounded = true
            if case .unix(let path) = address {
                original = descriptor.number
                file = UnixSocketFile(at: path)
            }
            return descriptor
        } catch {
            throw ProxyError(listeningOn: name, error)
        }
    }

    private static func makeWay(_ path: String, _ name: ServiceAddress) throws(ProxyError) {
        do throws(UnixSocketFileError) {
            try UnixSocketFile.prepare(path)
        } catch {
            switch error {
            case .inUse: throw .addressInUse(name)
            case .notASocket: throw .notASocket(path: path)
            case .cannotRemove: throw .permissionDenied(name)
            case .cannotProbe(_, let error): throw ProxyError(listeningOn: name, error)
            }
        }
    }
}

extension Worker<LinuxSystem> {
    /// Opens this worker's sockets.
    ///
    /// - Returns: why one could not be opened; those before it are open.
    mutating func listen(through listenings: inout [Listening]) -> ProxyError? {
        for index in listenings.indices {
            do throws(ProxyError) {
                addListener(try listenings[index].socket(on: &system), settings: listenings[index].settings)
            } catch {
                return error
            }
        }
        return nil
    }
}

extension ProxyError {
    init(listeningOn address: ServiceAddress, _ error: SystemError) {
        switch error {
        case .addressInUse: self = .addressInUse(address)
        case .permissionDenied, .notPermitted: self = .permissionDenied(address)
        case .addressNotAvailable: self = .addressNotAvailable(address)
        default: self = .cannotListen(address, error)
        }
    }
}
