import AdminServer
import Sockets
import Synchronization
import TCPProxy

/// A control that records each request and reports success.
final class FakeControl: AdminControl {
    private let notes = Mutex<[String]>([])
    let answer: ReloadOutcome?
    let snapshot: ConnectionsSnapshot

    init(answer: ReloadOutcome? = nil, snapshot: ConnectionsSnapshot = ConnectionsSnapshot()) {
        self.answer = answer
        self.snapshot = snapshot
    }

    var requests: [String] { notes.withLock(\.self) }

    private func note(_ text: String) { notes.withLock { $0.append(text) } }

    func reload() async -> ReloadOutcome? {
        note("reload")
        return answer
    }

    var reloads: ReloadStatistics? {
        guard answer != nil else { return nil }
        var statistics = ReloadStatistics(since: 1_700_000_000)
        statistics.applied = 3
        statistics.rejected = 2
        statistics.wasSuccessful = false
        return statistics
    }

    func setAdminState(_ state: ServerAdminState, server: String, pool: String) async throws(AdminRequestError) {
        guard pool == "db" else { throw AdminRequestError("there is no pool '\(pool)'") }
        note("\(state) \(server)")
    }

    func setWeight(_ weight: Int?, server: String, pool: String) async throws(AdminRequestError) {
        guard pool == "db" else { throw AdminRequestError("there is no pool '\(pool)'") }
        note("weight(\(weight.map(String.init) ?? "nil")) \(server)")
    }

    func rebalance(_ percent: Int, server: String, pool: String) async throws(AdminRequestError) -> Int {
        guard pool == "db" else { throw AdminRequestError("there is no pool '\(pool)'") }
        note("rebalance(\(percent)) \(server)")
        return 3
    }

    func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionsSnapshot {
        note("list \(Self.text(filter)) \(limit)")
        return snapshot
    }

    func closeConnections(_ filter: ConnectionFilter) async -> Int {
        note("cut \(Self.text(filter))")
        return 7
    }

    private static func text(_ filter: ConnectionFilter) -> String {
        [
            filter.id.map { "id=\($0)" }, filter.client.map { "client=\($0)" },
            filter.listener.map { "listener=\($0)" },
            filter.pool.map { "pool=\($0)" }, filter.server.map { "server=\($0)" },
        ].compactMap(\.self).joined(separator: " ")
    }
}
