/// A configuration file to start from, for one kind of service.
enum SampleConfiguration: String, CaseIterable, CustomStringConvertible {
    case tcp
    case postgres
    case redis
    case http
    case tls

    var description: String { rawValue }

    /// The content of the file. It is valid as it is; only its addresses have to be changed.
    var text: String {
        switch self {
        case .tcp:
            Self.header + """
                listeners:
                  service:
                    # Address that clients connect to: HOST:PORT, [IPV6]:PORT, :PORT (all interfaces) or unix:/PATH.
                    listen: 127.0.0.1:8080
                    pool: servers
                    # Closes connections without traffic. Remove it if clients keep idle connections.
                    idle-timeout: 1h

                pools:
                  servers:
                    # Other policies: round-robin, random, source-hash, maglev, first, fastest.
                    policy: least-connections
                    servers:
                      - 127.0.0.1:8081
                      - 127.0.0.1:8082
                      # Used only if no other server is available.
                      # - {address: "127.0.0.1:8083", backup: true}
                    # A server is down after three failed checks in a row, and up after two passed ones.
                    check: {type: tcp, interval: 2s, timeout: 1s}

                """
        case .postgres:
            Self.header + """
                listeners:
                  postgres:
                    listen: 127.0.0.1:5432
                    pool: databases

                pools:
                  databases:
                    policy: least-connections
                    servers:
                      # Below the server's own max_connections, so that clients wait here instead of failing there.
                      - {address: "10.0.0.1:5432", max-connections: 90}
                      - {address: "10.0.0.2:5432", max-connections: 90}
                    # Clients beyond the limit wait for a connection to end.
                    queue: {limit: 1000, timeout: 5s}
                    # Needs no account: a server that answers the startup message passes.
                    check: {type: postgres, interval: 2s, timeout: 1s}
                    # Sessions on a server that is down are reset, so that clients reconnect.
                    on-server-down: close

                # For a primary with replicas, see docs/recipes.md: one pool checks each server's role.

                """
        case .redis:
            Self.header + """
                listeners:
                  redis:
                    listen: 127.0.0.1:6379
                    pool: caches

                pools:
                  caches:
                    # Maglev sends the same client address to the same server, also after most servers have changed.
                    policy: maglev
                    servers:
                      - 10.0.0.1:6379
                      - 10.0.0.2:6379
                    # PING must be answered.
                    check: {type: redis, interval: 1s, timeout: 500ms}

                # For a master with replicas, see docs/recipes.md: the check can require the role.

                """
        case .http:
            Self.header + """
                listeners:
                  http:
                    listen: :8080
                    pool: web
                    # A client, by its address, may open at most 100 connections, and 50 new ones per second.
                    max-connections-per-client: 100
                    rate-per-client: 50/s
                    idle-timeout: 5m

                pools:
                  web:
                    policy: least-connections
                    servers:
                      - 10.0.0.1:8080
                      - 10.0.0.2:8080
                    # The status of GET /healthz must be 2xx.
                    check: {type: http, path: /healthz, status: 200-299, interval: 2s, timeout: 1s}
                    # A server that came up gets its full share after 30 seconds.
                    slow-start: 30s
                    # Sends the client's address to the servers, which must accept the PROXY protocol.
                    # send-proxy: v2

                """
        case .tls:
            Self.header + """
                listeners:
                  https:
                    listen: :8443
                    # Clients without a server name, or with another one.
                    pool: default
                    # TLS is forwarded without decryption; the name is read from the ClientHello.
                    sni:
                      www.example.com: www
                      "*.api.example.com": api

                pools:
                  default: {servers: ["10.0.0.1:443"]}
                  www:
                    policy: least-connections
                    servers: ["10.0.0.2:443", "10.0.0.3:443"]
                    check: {type: tcp}
                  api:
                    servers: ["10.0.0.4:443", "10.0.0.5:443"]
                    check: {type: tcp}

                """
        }
    }

    private static let header = """
        # Validate this file with `monkey check FILE`, run it with `monkey run FILE`; after a change, send SIGHUP or
        # POST /config/reload: no connection is closed. `monkey check --schema` prints a JSON Schema for editors.

        # Metrics, health and the admin API, for this machine only.
        admin: 127.0.0.1:8998

        """ + "\n"
}
