// Names of close reasons and related values in labels, JSON and logs. Dashboards depend on them, so they are spelled
// out here instead of being derived from Swift identifiers.

extension CloseReason {
    package var name: String {
        switch self {
        case .ended: "ended"
        case .reset: "reset"
        case .connectFailed: "connect_failed"
        case .idleTimeout: "idle_timeout"
        case .halfCloseTimeout: "half_close_timeout"
        case .lifetime: "lifetime"
        case .serverDown: "server_down"
        case .denied: "denied"
        case .forced: "forced"
        }
    }
}

extension DenyReason {
    package var name: String {
        switch self {
        case .address: "address"
        case .connections: "connections"
        case .rate: "rate"
        case .clientConnections: "client_connections"
        case .clientRate: "client_rate"
        case .clientTable: "client_table"
        case .untrustedProxy: "untrusted_proxy"
        case .proxyHeader: "proxy_header"
        case .clientHello: "client_hello"
        case .prereadTimeout: "preread_timeout"
        case .prereadEnded: "preread_ended"
        }
    }
}

extension CloseInitiator {
    package var name: String {
        switch self {
        case .client: "client"
        case .server: "server"
        case .proxy: "proxy"
        }
    }
}
