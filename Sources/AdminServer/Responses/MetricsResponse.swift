import TCPProxy
import ValueFormats

/// The metrics of a proxy as Prometheus text and JSON. docs/metrics.md describes each series.
struct MetricsResponse {
    let snapshot: MetricsSnapshot
    /// The listeners and pools; nil for a proxy with a single upstream.
    var pools: PoolsResponse?
    /// The certificates of the listeners.
    var certificates: [CertificateSnapshot] = []
    /// The reload statistics; nil if there is no configuration file.
    var reloads: ReloadStatistics?
    let version: String

    /// Prometheus text. The first four series have fixed names and a fixed position: existing consumers rely on both.
    var prometheus: String {
        var page = PrometheusText()
        addHeadline(to: &page)
        addTraffic(to: &page)
        addConnecting(to: &page)
        addCertificates(to: &page)
        pools?.addSeries(to: &page)
        if let reloads { add(reloads, to: &page) }
        addProcess(to: &page)
        return page.text
    }

    private func addHeadline(to page: inout PrometheusText) {
        page.add("connections_active", .gauge, "Current number of client connections.", snapshot.activeConnections)
        page.add(
            "connections_total",
            .counter,
            "Total number of accepted client connections.",
            snapshot.totalConnections
        )
        // Untyped, because a counter's name must end in _total and these names are fixed.
        page.add(
            "bytes_upstream",
            .untyped,
            "Total number of bytes relayed from clients to servers.",
            snapshot.bytesUpstream
        )
        page.add(
            "bytes_downstream",
            .untyped,
            "Total number of bytes relayed from servers to clients.",
            snapshot.bytesDownstream
        )
    }

    private func addTraffic(to page: inout PrometheusText) {
        page.add(
            "monkey_bytes_total",
            .counter,
            "Total number of bytes relayed, by direction.",
            directions(snapshot.bytesUpstream, snapshot.bytesDownstream)
        )
        page.add(
            "monkey_relayed_bytes_total",
            .counter,
            "Total number of bytes relayed, by direction and engine.",
            engines
        )
        page.add(
            "monkey_pipes_in_use",
            .gauge,
            "Current number of pipes with bytes that a receiver does not accept.",
            snapshot.pipesInUse
        )
        page.add(
            "monkey_pipe_allocation_failures_total",
            .counter,
            "Total number of transfers copied because no pipe, or only a smaller one, was available.",
            snapshot.pipeAllocationFailures
        )
        page.add(
            "monkey_memory_allocation_failures_total",
            .counter,
            "Total number of times that the system refused memory for connections.",
            snapshot.memoryAllocationFailures
        )
        page.add(
            "monkey_discarded_bytes_total",
            .counter,
            "Total number of bytes received but not delivered, by direction.",
            directions(snapshot.bytesDiscardedUpstream, snapshot.bytesDiscardedDownstream)
        )
        page.add(
            "monkey_connections_closed_total",
            .counter,
            "Total number of client connections that have ended, by reason and initiator.",
            CloseReason.allCases.flatMap { reason in
                CloseInitiator.allCases.map { initiator in
                    .init([("reason", reason.name), ("initiator", initiator.name)], closed(reason, initiator))
                }
            }
        )
        page.add(
            "monkey_connections_no_server_total",
            .counter,
            "Total number of client connections closed because no server was available or none could be reached.",
            snapshot.unservedConnections
        )
        page.add(
            "monkey_connections_denied_total",
            .counter,
            "Total number of clients denied by a listener, by cause.",
            DenyReason.allCases.map { .init([("cause", $0.name)], snapshot.deniedConnections[$0, default: 0]) }
        )
        page.add(
            "monkey_limits_dry_run_total",
            .counter,
            "Total number of connections beyond a limit that is only counted, by cause.",
            DenyReason.limits.map { .init([("cause", $0.name)], snapshot.dryRunDenials[$0, default: 0]) }
        )
    }

    private func addConnecting(to page: inout PrometheusText) {
        page.add(
            "monkey_connect_failures_total",
            .counter,
            "Total number of failed attempts to connect to a server, by cause.",
            ConnectFailure.allCases.map { .init([("cause", $0.name)], snapshot.connectFailures[$0, default: 0]) }
        )
        page.addHistogram(
            "monkey_connect_duration_seconds",
            "Duration of successful attempts to connect to a server.",
            bounds: DurationHistogram.bounds,
            counts: snapshot.connectTime.counts,
            sum: snapshot.connectTime.sum.inSeconds
        )
        page.add(
            "monkey_tls_handshakes_total",
            .counter,
            "Total number of successful TLS handshakes with clients, by whether they resumed a session.",
            [
                .init([("resumed", "false")], snapshot.fullHandshakes),
                .init([("resumed", "true")], snapshot.resumedHandshakes),
            ]
        )
        page.add(
            "monkey_tls_truncated_total",
            .counter,
            "Total number of TLS streams that ended without close_notify, by direction.",
            directions(snapshot.truncatedUpstream, snapshot.truncatedDownstream)
        )
        page.add(
            "monkey_accept_pauses_total",
            .counter,
            "Total number of times that accepting was paused, by cause.",
            AcceptPause.allCases.map { .init([("cause", $0.name)], snapshot.acceptPauses[$0, default: 0]) }
        )
    }

    /// The maximum number of series of certificates: those that expire first.
    static let maxCertificates = 1000

    private func addCertificates(to page: inout PrometheusText) {
        page.add(
            "monkey_certificate_reloads_total",
            .counter,
            "Total number of times that certificates were read because their files had changed, by result.",
            [
                .init([("result", "success")], snapshot.certificateReloads),
                .init([("result", "failure")], snapshot.failedCertificateReloads),
            ]
        )
        guard !certificates.isEmpty else { return }
        page.begin(
            "monkey_certificate_expiry_timestamp_seconds",
            .gauge,
            "Unix time at which a certificate of a listener expires."
        )
        var taken: Set<[String]> = []
        for certificate in certificates.sorted(by: { $0.info.notAfter < $1.info.notAfter }) {
            guard taken.count < Self.maxCertificates else { break }
            guard taken.insert([certificate.listener, certificate.name]).inserted else { continue }
            let labels = PrometheusText.Labels([
                ("listener", certificate.listener), ("certificate", certificate.name),
            ])
            page.addSample(labels, Int(certificate.info.notAfter))
        }
    }

    private func add(_ reloads: ReloadStatistics, to page: inout PrometheusText) {
        page.add(
            "monkey_config_reloads_total",
            .counter,
            "Total number of reloads of the configuration file, by result.",
            [.init([("result", "success")], reloads.applied), .init([("result", "failure")], reloads.rejected)]
        )
        page.add(
            "monkey_config_last_reload_successful",
            .gauge,
            "Whether the last reload of the configuration file succeeded.",
            reloads.wasSuccessful ? 1 : 0
        )
        page.add(
            "monkey_config_last_reload_success_timestamp_seconds",
            .gauge,
            "Unix time at which the current configuration was applied.",
            [.init([], reloads.lastSuccess)]
        )
    }

    private func addProcess(to page: inout PrometheusText) {
        page.add(
            "monkey_events_dropped_total",
            .counter,
            "Total number of events dropped because their reader was too slow.",
            snapshot.eventsDropped
        )
        page.add(
            "monkey_access_records_dropped_total",
            .counter,
            "Total number of connections missing from the access log because it was written too slowly.",
            snapshot.accessRecordsDropped
        )
        page.add(
            "monkey_max_connections",
            .gauge,
            "Maximum number of concurrent client connections.",
            snapshot.maxConnections
        )
        page.add("monkey_worker_threads", .gauge, "Number of worker threads.", snapshot.threads)
        page.add(
            "monkey_uptime_seconds",
            .gauge,
            "Time since the proxy was bound, in seconds.",
            [.init([], snapshot.uptime.inSeconds)]
        )
        page.add("monkey_build_info", .gauge, "Always 1; the version is a label.", [.init([("version", version)], 1)])
        // The names that Prometheus' client libraries use, so that common dashboards and alerts find them.
        page.add("process_open_fds", .gauge, "Number of open file descriptors.", snapshot.openDescriptors)
        page.add("process_max_fds", .gauge, "Maximum number of open file descriptors.", snapshot.descriptorLimit)
    }

    private func directions(_ upstream: Int, _ downstream: Int) -> [PrometheusText.Sample] {
        [.init([("direction", "upstream")], upstream), .init([("direction", "downstream")], downstream)]
    }

    private var engines: [PrometheusText.Sample] {
        let directions = [
            ("upstream", snapshot.bytesUpstream, snapshot.bytesSplicedUpstream),
            ("downstream", snapshot.bytesDownstream, snapshot.bytesSplicedDownstream),
        ]
        return directions.flatMap { direction, all, spliced in
            [
                PrometheusText.Sample([("direction", direction), ("engine", "copy")], all - spliced),
                PrometheusText.Sample([("direction", direction), ("engine", "splice")], spliced),
            ]
        }
    }

    private func closed(_ reason: CloseReason, _ initiator: CloseInitiator) -> Int {
        snapshot.closures[.init(reason: reason, initiator: initiator), default: 0]
    }
}

extension JSONValue {
    /// Returns an object with a member for each case of an enumeration.
    static func cases<Case: CaseIterable>(_ member: (Case) -> (name: String, value: JSONValue)) -> JSONValue {
        .object(JSONObject(Case.allCases.map(member)))
    }

    /// Denied connections, by cause.
    static func denials(_ counts: [DenyReason: Int]) -> JSONValue {
        .cases { (cause: DenyReason) in (cause.name, .integer(counts[cause, default: 0])) }
    }

    /// Failed connection attempts, by cause.
    static func failures(_ counts: [ConnectFailure: Int]) -> JSONValue {
        .cases { (cause: ConnectFailure) in (cause.name, .integer(counts[cause, default: 0])) }
    }
}

extension MetricsResponse {
    /// The same metrics as a JSON object. The first four members have a fixed position, in this order.
    var json: String {
        JSONValue.object([
            "active_connections": .integer(snapshot.activeConnections),
            "total_connections": .integer(snapshot.totalConnections),
            "bytes_upstream": .integer(snapshot.bytesUpstream),
            "bytes_downstream": .integer(snapshot.bytesDownstream),
            "bytes_spliced_upstream": .integer(snapshot.bytesSplicedUpstream),
            "bytes_spliced_downstream": .integer(snapshot.bytesSplicedDownstream),
            "pipes_in_use": .integer(snapshot.pipesInUse),
            "pipe_allocation_failures": .integer(snapshot.pipeAllocationFailures),
            "memory_allocation_failures": .integer(snapshot.memoryAllocationFailures),
            "bytes_discarded_upstream": .integer(snapshot.bytesDiscardedUpstream),
            "bytes_discarded_downstream": .integer(snapshot.bytesDiscardedDownstream),
            "connections_closed": closures,
            "connections_no_server": .integer(snapshot.unservedConnections),
            "connections_denied": .denials(snapshot.deniedConnections),
            "connect_failures": .failures(snapshot.connectFailures),
            "connect_duration_seconds": connectTime,
            "tls_handshakes": .object([
                "full": .integer(snapshot.fullHandshakes), "resumed": .integer(snapshot.resumedHandshakes),
            ]),
            "tls_truncated_upstream": .integer(snapshot.truncatedUpstream),
            "tls_truncated_downstream": .integer(snapshot.truncatedDownstream),
            "certificate_reloads": .object([
                "success": .integer(snapshot.certificateReloads),
                "failure": .integer(snapshot.failedCertificateReloads),
            ]),
            "accept_pauses": .cases { (cause: AcceptPause) in
                (cause.name, .integer(snapshot.acceptPauses[cause, default: 0]))
            },
            "events_dropped": .integer(snapshot.eventsDropped),
            "access_records_dropped": .integer(snapshot.accessRecordsDropped),
            "max_connections": .integer(snapshot.maxConnections),
            "worker_threads": .integer(snapshot.threads),
            "uptime_seconds": .number(snapshot.uptime.inSeconds),
            "version": .string(version),
            "open_descriptors": .integer(snapshot.openDescriptors),
            "descriptor_limit": .integer(snapshot.descriptorLimit),
            "limits_dry_run": .object(
                JSONObject(
                    DenyReason.limits.map { cause in
                        (cause.name, JSONValue.integer(snapshot.dryRunDenials[cause, default: 0]))
                    }
                )
            ),
        ]).line
    }

    private var closures: JSONValue {
        .cases { (reason: CloseReason) in
            (
                reason.name,
                .cases { (initiator: CloseInitiator) in (initiator.name, .integer(closed(reason, initiator))) }
            )
        }
    }

    private var connectTime: JSONValue {
        .object([
            "count": .integer(snapshot.connectTime.count),
            "sum": .number(snapshot.connectTime.sum.inSeconds),
        ])
    }
}
