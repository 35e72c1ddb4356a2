import EventLoop
import ProcessSupport
public import Sockets
import Synchronization

/// A server that sends back what it receives, on threads of its own.
///
/// ```swift
/// let echo = try await EchoServer.bind("127.0.0.1:8081")
/// print("Echo server listening on \(echo.localAddress)")
/// try await echo.run()          // until shut down or cancelled
/// ```
public final class EchoServer: Sendable {
    /// The address that it listens on, with the port that the kernel chose if port 0 was requested.
    public let localAddress: SocketAddress

    private let phase: Mutex<Phase>
    private let workers: [Worker]
    private let file: UnixSocketFile?

    private enum Phase {
        case bound
        case running([WorkerThread])
        case ended
    }

    /// The parts of a worker that other threads use.
    private struct Worker: Sendable {
        let owner: TransferBox<EchoWorker<LinuxSystem>>
        /// Created in advance, so that clients do not connect to a server that has no thread.
        let thread: ParkedThread
        let mailbox: Mailbox<EchoCommand>
        let counters: WorkerCounters
    }

    private init(localAddress: SocketAddress, workers: [Worker], file: UnixSocketFile?) {
        self.localAddress = localAddress
        self.workers = workers
        self.file = file
        phase = Mutex(.bound)
    }

    deinit {
        // A server that was bound but never run still holds its listening sockets.
        file?.remove()
        Self.dismantle(workers)
    }

    /// Counters since the server was bound.
    ///
    /// All bytes of a connection are included once it has closed. A byte that a client has received is missing for at
    /// most the rest of one connection's turn in its worker.
    public var counters: EchoCounters {
        var sum = EchoCounters()
        for worker in workers { worker.counters.add(to: &sum) }
        return sum
    }
}

// MARK: - Bind

extension EchoServer {
    /// Opens the listening sockets. Clients can connect from then on; they are served once ``run()`` is called.
    ///
    /// Raises the process's descriptor limit to its hard limit.
    ///
    /// - Parameters:
    ///   - listen: `127.0.0.1:8081`, `[::1]:8081`, `:8081`, `localhost:8081` or `unix:/run/echo.sock`. With port 0 the
    ///     kernel chooses the port.
    ///   - configuration: all settings.
    /// - Throws: ``EchoServerError``, whose description is a message for the user.
    public static func bind(
        _ listen: String,
        configuration: Configuration = Configuration()
    ) async throws(EchoServerError) -> EchoServer {
        let address: ServiceAddress
        do {
            address = try ServiceAddress(parsing: listen)
        } catch {
            throw .address(error)
        }
        return try await bind(address, configuration: configuration)
    }

    /// Opens the listening sockets. Clients can connect from then on; they are served once ``run()`` is called.
    ///
    /// Raises the process's descriptor limit to its hard limit.
    public static func bind(
        _ listen: ServiceAddress,
        configuration: Configuration = Configuration()
    ) async throws(EchoServerError) -> EchoServer {
        try configuration.validate()
        // A path that was not parsed from text may still be invalid for a socket.
        do {
            if case .socket(.unix(let path)) = listen { _ = try ServiceAddress(parsing: "unix:\(path)") }
        } catch {
            throw .address(error)
        }
        let address: SocketAddress
        do throws(HostLookup.Failure) {
            address = try await HostLookup.addresses(of: listen)[0]
        } catch {
            throw .unknownHost(error.host, detail: error.detail)
        }
        if case .unix = address, configuration.pace != nil {
            throw .badSetting(name: "pace", value: "set for a Unix socket", allowed: "unset: only TCP is paced")
        }
        DescriptorLimit.raise()
        var workers: [Worker] = []
        do throws(EchoServerError) {
            switch address {
            case .internet:
                let bound = try bindInternet(address, listen, configuration, &workers)
                return EchoServer(localAddress: bound, workers: workers, file: nil)
            case .unix(let path):
                let file = try bindUnix(path, listen, configuration, &workers)
                return EchoServer(localAddress: address, workers: workers, file: file)
            }
        } catch {
            dismantle(workers)
            throw error
        }
    }

    /// Opens one listening socket per worker; the kernel distributes connections among them.
    private static func bindInternet(
        _ address: SocketAddress,
        _ listen: ServiceAddress,
        _ configuration: Configuration,
        _ workers: inout [Worker]
    ) throws(EchoServerError) -> SocketAddress {
        var bound = address
        for index in 0..<configuration.threads {
            let thread = try makeThread(index, of: configuration.threads)
            var system = try makeSystem()
            do throws(SystemError) {
                var options = ListenOptions(backlog: configuration.backlog)
                // Accepted sockets inherit the option.
                options.connection.pacingRate = configuration.pace
                if configuration.threads > 1 { options.sharing = index == 0 ? .portOwner : .portMember }
                let listener = try system.listen(at: bound, options: options)
                do throws(SystemError) {
                    bound = try system.localAddress(of: listener)
                } catch {
                    system.close(listener)
                    throw error
                }
                try workers.append(makeWorker(system, listener, thread, configuration))
            } catch {
                throw .cannotListen(ListenError(error, at: listen))
            }
        }
        return bound
    }

    /// Opens one listening socket; each worker has its own descriptor of it.
    private static func bindUnix(
        _ path: String,
        _ listen: ServiceAddress,
        _ configuration: Configuration,
        _ workers: inout [Worker]
    ) throws(EchoServerError) -> UnixSocketFile? {
        do throws(UnixSocketFileError) {
            try UnixSocketFile.prepare(path)
        } catch {
            throw .cannotListen(ListenError(error, at: listen))
        }
        var threads: [ParkedThread] = []
        for index in 0..<configuration.threads {
            threads.append(try makeThread(index, of: configuration.threads))
        }
        var system = try makeSystem()
        do throws(SystemError) {
            let options = ListenOptions(backlog: configuration.backlog)
            let listener = try system.listen(at: .unix(path: path), options: options)
            do throws(SystemError) {
                for thread in threads[1...] {
                    let another = try LinuxSystem(wakerToken: EchoWorker<LinuxSystem>.wakerToken)
                    let duplicate = try LinuxSystem.duplicate(listener.number)
                    try workers.append(makeWorker(another, duplicate, thread, configuration))
                }
            } catch {
                system.close(listener)
                throw error
            }
            try workers.append(makeWorker(system, listener, threads[0], configuration))
        } catch {
            UnixSocketFile(at: path)?.remove()
            throw .cannotListen(ListenError(error, at: listen))
        }
        return UnixSocketFile(at: path)
    }

    private static func makeSystem() throws(EchoServerError) -> LinuxSystem {
        do throws(SystemError) {
            return try LinuxSystem(wakerToken: EchoWorker<LinuxSystem>.wakerToken)
        } catch {
            throw .system(error)
        }
    }

    private static func makeThread(_ index: Int, of count: Int) throws(EchoServerError) -> ParkedThread {
        do throws(SystemError) {
            return try ParkedThread(name: "echo-\(index)")
        } catch {
            throw .threadLimit(ThreadLimitError(wanted: count, cause: error))
        }
    }

    private static func makeWorker(
        _ system: consuming sending LinuxSystem,
        _ listener: consuming sending Descriptor,
        _ thread: ParkedThread,
        _ configuration: Configuration
    ) throws(SystemError) -> Worker {
        let worker = try EchoWorker(
            system: system,
            listener: listener,
            capacity: min(max(DescriptorLimit.current, 1), 1 << 20),
            configuration: configuration
        )
        let (mailbox, counters) = (worker.mailbox, worker.counters)
        return Worker(owner: TransferBox(worker), thread: thread, mailbox: mailbox, counters: counters)
    }

    private static func dismantle(_ workers: [Worker]) {
        for worker in workers { worker.owner.take()?.dismantle() }
    }
}

// MARK: - Run

extension EchoServer {
    /// Serves until it is shut down; if the task is cancelled, resets all connections and returns.
    ///
    /// - Throws: ``EchoServerError/alreadyRun`` if it has been called before.
    public func run() async throws(EchoServerError) {
        let threads = try start()
        await withTaskCancellationHandler {
            for thread in threads { await thread.join() }
        } onCancel: {
            drain(grace: .zero)
        }
    }

    /// Stops listening, lets open connections complete, and resets those that remain after the grace period. Returns
    /// when all connections are closed. A second call with a shorter grace period shortens it.
    public func shutdown(grace: Duration = .seconds(30)) async {
        let threads = phase.withLock { phase -> [WorkerThread] in
            if case .running(let threads) = phase { return threads }
            phase = .ended
            return []
        }
        drain(grace: grace)
        if threads.isEmpty { Self.dismantle(workers) }
        for thread in threads { await thread.join() }
    }

    private func start() throws(EchoServerError) -> [WorkerThread] {
        try phase.withLock { phase throws(EchoServerError) -> [WorkerThread] in
            switch phase {
            case .running: throw .alreadyRun
            case .ended: return []
            case .bound: break
            }
            let threads = workers.map { worker in
                worker.thread.start { [owner = worker.owner] in
                    guard var worker = owner.take() else { return }
                    worker.run()
                    worker.dismantle()
                }
            }
            phase = .running(threads)
            return threads
        }
    }

    private func drain(grace: Duration) {
        file?.remove()
        for worker in workers { worker.mailbox.post(.drain(grace: grace)) }
    }
}
