import AdminServer
import LoadBalancer
import TCPProxy

/// The control operations on a running proxy.
struct AdminAPI: AdminControl {
    let proxy: Proxy
    let poolController: PoolController
    /// The reloader; nil without a configuration file.
    var reloader: ConfigurationReloader?

    func reload() async -> ReloadAnswer? {
        guard let reloader else { return nil }
        switch await reloader.reload() {
        case .done(let changes, let connections): return .done(changes: changes, connectionsAffected: connections)
        case .refused(let mistakes): return .refused(mistakes)
        }
    }

    var reloads: ReloadFigures? {
        guard let figures = reloader?.figures else { return nil }
        var answer = ReloadFigures()
        answer.done = figures.done
        answer.refused = figures.refused
        answer.lastSuccess = figures.lastSuccess
        answer.wasSuccessful = figures.wasSuccessful
        return answer
    }

    func order(_ order: AdminOrder, server: String, pool: String) async throws(AdminRequestError) {
        do throws(UnknownServerError) {
            switch order {
            case .enable: try poolController.order(.enable, server: server, pool: pool)
            case .drain: try poolController.order(.drain, server: server, pool: pool)
            case .disable: try poolController.order(.disable, server: server, pool: pool)
            case .weight(let weight): try await poolController.order(weight: weight, server: server, pool: pool)
            }
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
