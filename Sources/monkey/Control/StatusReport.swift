import LoadTester
import ValueFormats

/// The state of a running proxy as lines of text.
struct StatusReport {
    let lines: [String]

    init(totals: TotalsResponse, pools: PoolListResponse, isReady: Bool) {
        let uptime = DurationValue(.seconds(Int64(totals.uptimeSeconds)))
        var lines = [
            "\(isReady ? "Ready" : "Not ready"), version \(totals.version), running for \(uptime)",
            "\(totals.activeConnections) of at most \(totals.maxConnections) connections, \(totals.totalConnections) in total, "
                + "\(totals.connectionsDenied.values.reduce(0, +)) denied; \(ByteCount(totals.bytesUpstream)) up, "
                + "\(ByteCount(totals.bytesDownstream)) down",
        ]
        if !pools.listeners.isEmpty { lines += [""] + Self.table(Self.rows(pools.listeners)) }
        for pool in pools.pools { lines += [""] + Self.table(Self.rows(pool)) }
        self.lines = lines
    }

    private static func rows(_ listeners: [PoolListResponse.Listener]) -> [[String]] {
        [["LISTENER", "ADDRESS", "POOL", "CONNECTIONS", "TOTAL", "DENIED"]]
            + listeners.map { listener in
                [
                    listener.name, listener.address, listener.pool, "\(listener.activeConnections)",
                    "\(listener.totalConnections)", "\(listener.connectionsDenied.values.reduce(0, +))",
                ]
            }
    }

    private static func rows(_ pool: PoolListResponse.Pool) -> [[String]] {
        let queue = pool.waiting > 0 ? ", \(pool.waiting) waiting" : ""
        let title = "POOL \(pool.name)" + (pool.policy.map { " (\($0)\(queue))" } ?? "")
        return [[title, "STATE", "CONNECTIONS", "TOTAL", "FAILED", "WEIGHT"]]
            + pool.servers.map { server in
                [
                    server.name + (server.backup ? " (backup)" : ""),
                    server.state + (server.cause.map { $0.isEmpty ? "" : ": \($0)" } ?? ""),
                    "\(server.activeConnections)" + (server.maxConnections.map { " of \($0)" } ?? ""),
                    "\(server.totalConnections)", "\(server.connectFailures.values.reduce(0, +))",
                    weight(server.effectiveWeight),
                ]
            }
    }

    private static func weight(_ weight: Double) -> String {
        weight == weight.rounded() ? "\(Int(weight))" : "\((weight * 10).rounded() / 10)"
    }

    /// Aligns the cells of each column to the left, two spaces apart.
    private static func table(_ rows: [[String]]) -> [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { cell, width in cell.leftAligned(width) }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}
