import Balancing
import Sockets
import TCPProxy
import ValueFormats

/// The metrics of listeners, pools and their servers. docs/metrics.md describes each series.
///
/// The label values are names from the configuration, so the number of series is bounded by its listeners, pools and
/// servers.
struct PoolsResponse {
    let listeners: [ListenerSnapshot]
    let pools: [PoolSnapshot]

    // MARK: Prometheus

    /// Adds all series. A page may have more than a million lines, so the labels of each object are formatted once.
    func addSeries(to page: inout PrometheusText) {
        addListeners(to: &page)
        addPools(to: &page)
        let servers = pools.flatMap { pool in
            pool.servers.map { server in
                Labeled(server, [("pool", pool.name), ("server", server.configuration.name)])
            }
        }
        page.reserve(lines: servers.count * Self.linesPerServer)
        Self.addServers(servers, to: &page)
        Self.addConnecting(servers, to: &page)
    }

    /// Approximate number of lines of a server.
    private static let linesPerServer = 68

    private typealias Labeled = PrometheusText.Labeled

    private enum Direction: String, CaseIterable {
        case upstream
        case downstream
    }

    private static let directions = Direction.allCases.map { Labeled($0, [("direction", $0.rawValue)]) }

    private func addListeners(to page: inout PrometheusText) {
        let listeners = listeners.map { Labeled($0, [("listener", $0.name)]) }
        page.add(
            "monkey_listener_connections",
            .gauge,
            "Current number of client connections, by listener.",
            listeners
        ) { $0.activeConnections }
        page.add(
            "monkey_listener_connections_total",
            .counter,
            "Total number of client connections accepted, by listener.",
            listeners
        ) { $0.totalConnections }
        page.add(
            "monkey_listener_no_server_total",
            .counter,
            "Total number of client connections closed because no server was available, by listener.",
            listeners
        ) { $0.unservedConnections }
        page.add(
            "monkey_listener_denied_total",
            .counter,
            "Total number of clients denied, by listener and cause.",
            listeners,
            by: DenyReason.allCases.map { Labeled($0, [("cause", $0.name)]) }
        ) { $0.deniedConnections[$1, default: 0] }
        page.add(
            "monkey_listener_limits_dry_run_total",
            .counter,
            "Total number of connections beyond a limit that is only counted, by listener and cause.",
            listeners,
            by: DenyReason.limits.map { Labeled($0, [("cause", $0.name)]) }
        ) { $0.dryRunDenials[$1, default: 0] }
        page.add(
            "monkey_listener_bytes_total",
            .counter,
            "Total number of bytes relayed, by listener and direction.",
            listeners,
            by: Self.directions
        ) { $1 == .upstream ? $0.bytesUpstream : $0.bytesDownstream }
    }

    private func addPools(to page: inout PrometheusText) {
        let pools = pools.map { Labeled($0, [("pool", $0.name)]) }
        page.add("monkey_pool_queue_length", .gauge, "Current number of connections in the queue, by pool.", pools) {
            $0.waiting
        }
        page.add("monkey_pool_queued_total", .counter, "Total number of connections queued, by pool.", pools) {
            $0.queued
        }
        page.add(
            "monkey_pool_queue_timeouts_total",
            .counter,
            "Total number of connections that exceeded the queue timeout, by pool.",
            pools
        ) { $0.queueTimeouts }
        page.add(
            "monkey_pool_queue_overflows_total",
            .counter,
            "Total number of connections rejected because the queue was full, by pool.",
            pools
        ) { $0.queueOverflows }
        page.add(
            "monkey_pool_retries_total",
            .counter,
            "Total number of failed connection attempts followed by another selection, by pool.",
            pools
        ) { $0.retries }
    }

    private static func addServers(_ servers: [Labeled<ServerSnapshot>], to page: inout PrometheusText) {
        page.add(
            "monkey_server_state",
            .gauge,
            "1 for the current state of a server, 0 for the others.",
            servers,
            by: ServerState.allCases.map { Labeled($0, [("state", $0.rawValue)]) }
        ) { $0.state == $1 ? 1 : 0 }
        page.add("monkey_server_up", .gauge, "Whether a server gets new connections.", servers) {
            $0.takesConnections ? 1 : 0
        }
        page.add("monkey_server_connections", .gauge, "Current number of connections to a server.", servers) {
            $0.connections
        }
        page.add(
            "monkey_server_connections_total",
            .counter,
            "Total number of connections established to a server.",
            servers
        ) { $0.connected }
        page.begin(
            "monkey_server_weight",
            .gauge,
            "Weight that the policy uses for a server: configured or set at run time, reduced by slow start."
        )
        for server in servers { page.addSample(server.labels, server.value.effectiveWeight) }
        page.add(
            "monkey_server_bytes_total",
            .counter,
            "Total number of bytes relayed, by server and direction.",
            servers,
            by: directions
        ) { $1 == .upstream ? $0.bytesUpstream : $0.bytesDownstream }
        let closures = CloseReason.allCases.flatMap { reason in
            CloseInitiator.allCases.map { initiator in
                Labeled(
                    MetricsSnapshot.Closure(reason: reason, initiator: initiator),
                    [("reason", reason.name), ("initiator", initiator.name)]
                )
            }
        }
        page.add(
            "monkey_server_connections_closed_total",
            .counter,
            "Total number of connections to a server that have ended, by reason and initiator.",
            servers,
            by: closures
        ) { $0.closures.isEmpty ? 0 : $0.closures[$1, default: 0] }
    }

    private static func addConnecting(_ servers: [Labeled<ServerSnapshot>], to page: inout PrometheusText) {
        page.add(
            "monkey_server_connect_failures_total",
            .counter,
            "Total number of failed attempts to connect to a server, by cause.",
            servers,
            by: ConnectFailure.allCases.map { Labeled($0, [("cause", $0.name)]) }
        ) { $0.connectFailures[$1, default: 0] }
        page.addHistograms(
            "monkey_server_connect_duration_seconds",
            "Duration of successful attempts to connect to a server.",
            bounds: DurationHistogram.bounds,
            servers.map { server in
                .init(
                    labels: server.labels,
                    counts: server.value.connectTime.counts,
                    sum: server.value.connectTime.sum.inSeconds
                )
            }
        )
    }

    // MARK: JSON

    var json: String {
        JSONValue.object([
            "listeners": .array(listeners.map(object)),
            "pools": .array(pools.map(object)),
        ]).line
    }

    private func object(_ listener: ListenerSnapshot) -> JSONValue {
        .object([
            "name": .string(listener.name),
            "address": .string("\(listener.address)"),
            "pool": .string(listener.pool),
            "active_connections": .integer(listener.activeConnections),
            "total_connections": .integer(listener.totalConnections),
            "connections_no_server": .integer(listener.unservedConnections),
            "connections_denied": .denials(listener.deniedConnections),
            "bytes_upstream": .integer(listener.bytesUpstream),
            "bytes_downstream": .integer(listener.bytesDownstream),
        ])
    }

    private func object(_ pool: PoolSnapshot) -> JSONValue {
        .object([
            "name": .string(pool.name),
            "policy": pool.policy.map { .string($0.rawValue) } ?? .null,
            "waiting": .integer(pool.waiting),
            "queued": .integer(pool.queued),
            "queue_timeouts": .integer(pool.queueTimeouts),
            "queue_overflows": .integer(pool.queueOverflows),
            "retries": .integer(pool.retries),
            "servers": .array(pool.servers.map(object)),
        ])
    }

    private func object(_ server: ServerSnapshot) -> JSONValue {
        .object([
            "name": .string(server.configuration.name),
            "address": server.configuration.resolutionFailure == nil
                ? .string("\(server.configuration.address)") : .null,
            "state": .string(server.state.rawValue),
            "cause": .string(server.cause),
            "weight": .integer(server.configuration.weight),
            "effective_weight": .number(server.effectiveWeight),
            "weight_override": server.weightOverride.map { .integer($0) } ?? .null,
            "backup": .boolean(server.configuration.isBackup),
            "max_connections": server.configuration.maxConnections.map { .integer($0) } ?? .null,
            "active_connections": .integer(server.connections),
            "total_connections": .integer(server.connected),
            "connect_failures": .failures(server.connectFailures),
            "consecutive_failures": .integer(server.consecutiveFailures),
            "connect_duration_seconds": .object([
                "count": .integer(server.connectTime.count),
                "sum": .number(server.connectTime.sum.inSeconds),
            ]),
            "bytes_upstream": .integer(server.bytesUpstream),
            "bytes_downstream": .integer(server.bytesDownstream),
        ])
    }
}
