import AdminServer
import LoadBalancer
import TCPProxy

/// The control operations on a running proxy.
struct Control: AdminControl {
    let proxy: Proxy
    let keeper: PoolKeeper
    /// The reloader; nil without a configuration file.
    var reloader: Reloader?

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

    func order(_ order: AdminOrder, server: String, pool: String) async throws(AdminRefusal) {
        do throws(UnknownServerError) {
            switch order {
            case .enable: try keeper.order(.enable, server: server, pool: pool)
            case .drain: try keeper.order(.drain, server: server, pool: pool)
            case .disable: try keeper.order(.disable, server: server, pool: pool)
            case .weight(let weight): try await keeper.order(weight: weight, server: server, pool: pool)
            }
        } catch {
            throw AdminRefusal(error.description)
        }
    }

    func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionsSnapshot {
        await proxy.connections(filter, limit: limit)
    }

    func cut(_ filter: ConnectionFilter) async -> Int {
        await proxy.cutConnections(filter)
    }
}
