import Glibc
import ProcessSupport
import TCPProxy

/// Reports the state of a proxy to the service manager that started the process; does nothing if there is none.
struct ServiceNotifications: Sendable {
    private static let statusInterval: Duration = .seconds(5)

    let proxy: Proxy
    private let manager = ServiceManager(
        environment: { name in getenv(name).map { String(cString: $0) } },
        process: getpid()
    )

    init(of proxy: Proxy) { self.proxy = proxy }

    /// Reports that all listeners are bound, then the number of connections and, if requested, that the workers answer.
    /// Returns when the task is canceled.
    func run() async {
        guard let manager else { return }
        manager.notify(.ready, status)
        let interval = min(manager.watchdogInterval ?? Self.statusInterval, Self.statusInterval)
        while (try? await Task.sleep(for: interval)) != nil {
            manager.notify(status)
            guard manager.watchdogInterval != nil else { continue }
            // Each worker answers this, so a worker that is stuck stops the notifications.
            _ = await proxy.connections(limit: 0)
            manager.notify(.watchdog)
        }
    }

    /// Reports the beginning and the end of a reload.
    func whileReloading(_ reload: () async -> Void) async {
        manager?.notify(.reloading(monotonicNanoseconds: WallClock.monotonicNanoseconds))
        await reload()
        manager?.notify(.ready)
    }

    func stopping() { manager?.notify(.stopping) }

    private var status: ServiceManager.Notification {
        .status("\(proxy.snapshot().activeConnections) connections")
    }
}
