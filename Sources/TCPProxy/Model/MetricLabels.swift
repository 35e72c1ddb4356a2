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
        case .noServer: "no_server"
        case .queueFull: "queue_full"
        case .queueTimeout: "queue_timeout"
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
        case .loop: "loop"
        case .prereadEvicted: "preread_evicted"
        case .tlsHandshake: "tls_handshake"
        case .tlsName: "tls_name"
        case .tlsTimeout: "tls_timeout"
        case .postgresRequest: "postgres_request"
        case .handshakeRate: "handshake_rate"
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

extension ConnectFailure {
    package var name: String {
        switch self {
        case .refused: "refused"
        case .timeout: "timeout"
        case .unreachable: "unreachable"
        case .exhausted: "exhausted"
        case .clientGone: "client_gone"
        case .tls: "tls"
        case .other: "other"
        }
    }
}

extension AcceptPause {
    package var name: String {
        switch self {
        case .connections: "connections"
        case .exhausted: "exhausted"
        }
    }
}
