import Glibc
import ProcessSupport
import Sockets

/// Opens the sockets of a listener, one for each worker.
///
/// The caller owns the opened sockets and must close those that are not used after an error.
///
/// TCP: the first socket is bound exclusively, so that EADDRINUSE is reported; otherwise another process of the same
/// user could share the port unnoticed. The other sockets join it with SO_REUSEPORT, and the kernel distributes
/// connections over them. Unix sockets cannot be shared that way, so the workers get duplicates of one descriptor; the
/// same applies to sockets that the service manager has opened, which another process of another user cannot join.
struct Listening: Sendable {
    /// The listen address; port 0 is resolved once the first socket is open.
    private(set) var address: SocketAddress
    /// The file of the Unix socket, to be removed at shutdown.
    private(set) var file: UnixSocketFile?
    private let name: ServiceAddress
    private let options: ListenOptions
    /// The settings for connections accepted there.
    let settings: ListenerSettings
    private let mayJoinPort: Bool
    private var ownsPort = false
    private var original: Int32?
    /// Whether the socket was opened by the service manager.
    let isInherited: Bool

    /// - Parameters:
    ///   - mayJoinPort: whether a socket that occupies the port may be one of this process that is about to be closed.
    ///   - inherited: the socket to use instead of a new one.
    init(
        _ plan: ProxyPlan.Listener,
        mayJoinPort: Bool = false,
        inherited: InheritedSocket? = nil
    ) throws(ProxyError) {
        self.mayJoinPort = mayJoinPort
        address = plan.address
        name = plan.written
        var options = plan.options
        // The permissions of an inherited file are those that the service manager has set.
        if inherited != nil { options.permissions = UnixSocketPermissions() }
        self.options = options
        settings = plan.settings
        isInherited = inherited != nil
        if let inherited {
            do throws(InheritedSocketError) {
                try inherited.check(boundTo: plan.address)
            } catch {
                throw .inheritedSocket(error)
            }
            original = inherited.descriptor
            address = inherited.address
            return
        }
        if case .unix(let path) = address { try Self.removeStaleSocketFile(path, name) }
    }

    /// Opens the socket of the next worker.
    mutating func socket(on system: inout LinuxSystem) throws(ProxyError) -> Descriptor {
        do throws(SystemError) {
            if let original {
                let descriptor = try LinuxSystem.duplicate(original)
                if isInherited { system.adjust(descriptor, to: options) }
                return descriptor
            }
            let descriptor = try open(on: &system)
            do throws(SystemError) {
                address = try system.localAddress(of: descriptor)
            } catch {
                system.close(descriptor)
                throw error
            }
            ownsPort = true
            if case .unix(let path) = address {
                original = descriptor.number
                file = UnixSocketFile(at: path)
            }
            return descriptor
        } catch {
            throw .cannotListen(ListenError(error, at: name))
        }
    }

    private func open(on system: inout LinuxSystem) throws(SystemError) -> Descriptor {
        var options = options
        options.sharing = ownsPort ? .portMember : .portOwner
        do throws(SystemError) {
            return try system.listen(at: address, options: options)
        } catch {
            guard error == .addressInUse, mayJoinPort, !ownsPort else { throw error }
            options.sharing = .portMember
            return try system.listen(at: address, options: options)
        }
    }

    private static func removeStaleSocketFile(_ path: String, _ name: ServiceAddress) throws(ProxyError) {
        do throws(UnixSocketFileError) {
            try UnixSocketFile.prepare(path)
        } catch {
            throw .cannotListen(ListenError(error, at: name))
        }
    }
}

extension Worker<LinuxSystem> {
    /// Opens the listening sockets of this worker.
    ///
    /// - Returns: the error of the first socket that could not be opened; the sockets before it are open.
    mutating func listen(through listenings: inout [Listening]) -> ProxyError? {
        for index in listenings.indices {
            do throws(ProxyError) {
                addListener(
                    try listenings[index].socket(on: &system),
                    isInherited: listenings[index].isInherited,
                    settings: listenings[index].settings
                )
            } catch {
                return error
            }
        }
        return nil
    }
}

/// The sockets of new listeners, one for each worker, until the workers take ownership.
struct NewSockets: Sendable {
    private(set) var listenings: [Listening] = []
    /// Descriptors by listener, then by worker.
    private(set) var numbers: [[Int32]] = []

    /// Opens all sockets, or none.
    ///
    /// - Parameters:
    ///   - joinable: ports whose sockets in this process are about to be closed.
    ///   - inherited: sockets of the service manager, which listeners at their addresses use.
    init(
        _ plans: [ProxyPlan.Listener],
        workers: Int,
        joinable: Set<UInt16>,
        inherited: [InheritedSocket] = []
    ) throws(ProxyError) {
        guard !plans.isEmpty else { return }
        do throws(ProxyError) {
            // Used only for its socket calls; its poller is never waited on.
            var system = try Self.makeSystem()
            for plan in plans {
                let mayJoinPort = plan.address.port.map(joinable.contains) ?? false
                let socket = inherited.first { $0.address == plan.address }
                listenings.append(try Listening(plan, mayJoinPort: mayJoinPort, inherited: socket))
                numbers.append([])
                let last = listenings.count - 1
                for _ in 0..<workers { numbers[last].append(try listenings[last].socket(on: &system).release()) }
            }
        } catch {
            close()
            throw error
        }
    }

    private static func makeSystem() throws(ProxyError) -> LinuxSystem {
        do throws(SystemError) {
            return try LinuxSystem(batch: 1, wakerToken: TokenKind.mailbox.only)
        } catch {
            throw .system(error)
        }
    }

    /// Closes all sockets and removes the socket files; for sockets that no worker has taken.
    func close() {
        for number in numbers.joined() { Self.close(number) }
        for listening in listenings { listening.file?.remove() }
    }

    /// Closes the sockets of one worker that has ended.
    func close(worker: Int) {
        for numbers in numbers { Self.close(numbers[worker]) }
    }

    private static func close(_ number: Int32) {
        Glibc.close(number)
    }
}
