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

    func addSeries(to page: inout PrometheusText) {
        addListeners(to: &page)
        addPools(to: &page)
        addServers(to: &page)
        addConnecting(to: &page)
    }

    private func addListeners(to page: inout PrometheusText) {
        func add(
            _ name: String,
            _ kind: PrometheusText.Kind,
            _ help: String,
            _ value: KeyPath<ListenerSnapshot, Int>
        ) {
            page.add(name, kind, help, listeners.map { .init([("listener", $0.name)], $0[keyPath: value]) })
        }
        add(
            "monkey_listener_connections",
            .gauge,
            "Current number of client connections, by listener.",
            \.activeConnections
        )
        add(
            "monkey_listener_connections_total",
            .counter,
            "Total number of client connections accepted, by listener.",
            \.totalConnections
        )
        add(
            "monkey_listener_no_server_total",
            .counter,
            "Total number of client connections closed because no server was available, by listener.",
            \.unservedConnections
        )
        page.add(
            "monkey_listener_denied_total",
            .counter,
            "Total number of clients denied, by listener and cause.",
            listeners.flatMap { listener in
                DenyReason.allCases.map { cause in
                    .init(
                        [("listener", listener.name), ("cause", cause.name)],
                        listener.deniedConnections[cause, default: 0]
                    )
                }
            }
        )
        page.add(
            "monkey_listener_bytes_total",
            .counter,
            "Total number of bytes relayed, by listener and direction.",
            listeners.flatMap { listener in
                directions([("listener", listener.name)], listener.bytesUpstream, listener.bytesDownstream)
            }
        )
    }

    private func addPools(to page: inout PrometheusText) {
        func add(_ name: String, _ kind: PrometheusText.Kind, _ help: String, _ value: KeyPath<PoolSnapshot, Int>) {
            page.add(name, kind, help, pools.map { .init([("pool", $0.name)], $0[keyPath: value]) })
        }
        add("monkey_pool_queue_length", .gauge, "Current number of connections in the queue, by pool.", \.waiting)
        add("monkey_pool_queued_total", .counter, "Total number of connections queued, by pool.", \.queued)
        add(
            "monkey_pool_queue_timeouts_total",
            .counter,
            "Total number of connections that exceeded the queue timeout, by pool.",
            \.queueTimeouts
        )
        add(
            "monkey_pool_queue_overflows_total",
            .counter,
            "Total number of connections rejected because the queue was full, by pool.",
            \.queueOverflows
        )
        add(
            "monkey_pool_retries_total",
            .counter,
            "Total number of failed connection attempts followed by another selection, by pool.",
            \.retries
        )
    }

    private func addServers(to page: inout PrometheusText) {
        page.add(
            "monkey_server_state",
            .gauge,
            "1 for the current state of a server, 0 for the others.",
            servers { labels, server in
                ServerState.allCases.map { state in
                    .init(labels + [("state", state.rawValue)], server.state == state ? 1 : 0)
                }
            }
        )
        func add(_ name: String, _ kind: PrometheusText.Kind, _ help: String, _ value: (ServerSnapshot) -> Int) {
            page.add(name, kind, help, servers { [.init($0, value($1))] })
        }
        add("monkey_server_up", .gauge, "Whether a server gets new connections.") { $0.state.takesConnections ? 1 : 0 }
        add("monkey_server_connections", .gauge, "Current number of connections to a server.") { $0.connections }
        add("monkey_server_connections_total", .counter, "Total number of connections established to a server.") {
            $0.connected
        }
        add("monkey_server_weight", .gauge, "Configured weight of a server.") { $0.configuration.weight }
        page.add(
            "monkey_server_bytes_total",
            .counter,
            "Total number of bytes relayed, by server and direction.",
            servers { directions($0, $1.bytesUpstream, $1.bytesDownstream) }
        )
        page.add(
            "monkey_server_connections_closed_total",
            .counter,
            "Total number of connections to a server that have ended, by reason and initiator.",
            servers { labels, server in
                CloseReason.allCases.flatMap { reason in
                    CloseInitiator.allCases.map { initiator in
                        .init(
                            labels + [("reason", reason.name), ("initiator", initiator.name)],
                            server.closures[.init(reason: reason, initiator: initiator), default: 0]
                        )
                    }
                }
            }
        )
    }

    private func addConnecting(to page: inout PrometheusText) {
        page.add(
            "monkey_server_connect_failures_total",
            .counter,
            "Total number of failed attempts to connect to a server, by cause.",
            servers { labels, server in
                ConnectFailure.allCases.map { cause in
                    .init(labels + [("cause", cause.name)], server.connectFailures[cause, default: 0])
                }
            }
        )
        page.addHistograms(
            "monkey_server_connect_duration_seconds",
            "Duration of successful attempts to connect to a server.",
            bounds: DurationHistogram.bounds,
            pools.flatMap { pool in
                pool.servers.map { server in
                    .init(
                        labels: labels(of: server, in: pool),
                        counts: server.connectTime.counts,
                        sum: server.connectTime.sum.inSeconds
                    )
                }
            }
        )
    }

    private func servers(
        _ samples: ([(name: String, value: String)], ServerSnapshot) -> [PrometheusText.Sample]
    ) -> [PrometheusText.Sample] {
        pools.flatMap { pool in pool.servers.flatMap { samples(labels(of: $0, in: pool), $0) } }
    }

    private func labels(of server: ServerSnapshot, in pool: PoolSnapshot) -> [(name: String, value: String)] {
        [("pool", pool.name), ("server", server.configuration.name)]
    }

    private func directions(
        _ labels: [(name: String, value: String)],
        _ upstream: Int,
        _ downstream: Int
    ) -> [PrometheusText.Sample] {
        [
            .init(labels + [("direction", "upstream")], upstream),
            .init(labels + [("direction", "downstream")], downstream),
        ]
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
            "address": .string("\(server.configuration.address)"),
            "state": .string(server.state.rawValue),
            "cause": .string(server.cause),
            "weight": .integer(server.configuration.weight),
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
