import AdminServer
import LoadBalancer
import TCPProxy

/// The control operations on a running proxy.
struct AdminAPI: AdminControl {
    let proxy: Proxy
    let poolController: PoolController
    /// The reloader; nil without a configuration file.
    var reloader: ConfigurationReloader?

    func reload() async -> ReloadOutcome? {
        await reloader?.reload()
    }

    var reloads: ReloadStatistics? {
        reloader?.statistics
    }

    func setAdminState(_ state: ServerAdminState, server: String, pool: String) async throws(AdminRequestError) {
        do throws(PoolController.UnknownServerError) {
            try poolController.setAdminState(state, server: server, pool: pool)
        } catch {
            throw AdminRequestError(error.description)
        }
    }

    func setWeight(_ weight: Int?, server: String, pool: String) async throws(AdminRequestError) {
        do throws(PoolController.UnknownServerError) {
            try await poolController.setWeight(weight, server: server, pool: pool)
        } catch {
            throw AdminRequestError(error.description)
        }
    }

    func rebalance(_ percent: Int, server: String, pool: String) async throws(AdminRequestError) -> Int {
        do throws(PoolController.UnknownServerError) {
            return try await poolController.rebalance(percent, server: server, pool: pool)
        } catch {
            throw AdminRequestError(error.description)
        }
    }

    func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionsSnapshot {
        await proxy.connections(filter, limit: limit)
    }

    func closeConnections(_ filter: ConnectionFilter) async -> Int {
        await proxy.closeConnections(filter)
    }
}
