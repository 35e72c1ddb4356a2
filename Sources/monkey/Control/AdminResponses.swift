import FoundationEssentials

// The responses of the admin endpoint that the commands read. docs/control.md and docs/metrics.md describe them; members
// that are not read are left out.

/// A response in JSON.
protocol AdminResponseBody: Decodable {}

extension AdminResponseBody {
    /// Fails if the text is not this response.
    init?(parsing text: String) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let value = try? decoder.decode(Self.self, from: Data(text.utf8)) else { return nil }
        self = value
    }
}

/// The response to `POST /connections/close`.
struct ClosedResponse: AdminResponseBody {
    let closed: Int
}

/// The response to `POST /config/reload`.
struct ReloadResponse: AdminResponseBody {
    let reloaded: Bool
    let changes: [String]?
    let errors: [String]?
}

/// The response to `GET /metrics?format=json`.
struct TotalsResponse: AdminResponseBody {
    let activeConnections: Int
    let totalConnections: Int
    let bytesUpstream: Int
    let bytesDownstream: Int
    let connectionsDenied: [String: Int]
    let maxConnections: Int
    let uptimeSeconds: Double
    let version: String
}

/// The response to `GET /pools`.
struct PoolListResponse: AdminResponseBody {
    struct Listener: Decodable {
        let name: String
        let address: String
        let pool: String
        let activeConnections: Int
        let totalConnections: Int
        let connectionsDenied: [String: Int]
    }

    struct Pool: Decodable {
        let name: String
        let policy: String?
        let waiting: Int
        let servers: [Server]
    }

    struct Server: Decodable {
        let name: String
        let state: String
        let cause: String?
        let effectiveWeight: Double
        let backup: Bool
        let maxConnections: Int?
        let activeConnections: Int
        let totalConnections: Int
        let connectFailures: [String: Int]
    }

    let listeners: [Listener]
    let pools: [Pool]
}
