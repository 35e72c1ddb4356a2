/// Messages of the PostgreSQL protocol.
enum PostgresMessages {
    static let tlsRequest: [UInt8] = [0, 0, 0, 8, 4, 210, 22, 47]
    static let gssapiRequest: [UInt8] = [0, 0, 0, 8, 4, 210, 22, 48]
    /// A CancelRequest for process 7.
    static let cancel: [UInt8] = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 7, 1, 2, 3, 4]
    /// A StartupMessage of protocol 3.0 for the user `app`.
    static let startup: [UInt8] = {
        let fields = Array("user\0app\0\0".utf8)
        return [0, 0, 0, UInt8(8 + fields.count), 0, 3, 0, 0] + fields
    }()

    /// A ClientHello as clients send it without a request for TLS.
    static func directHello(_ name: String = "db.example.com") -> MadeHello {
        var hello = MadeHello.browser(name)
        hello.extensions = [MadeHello.serverName(name), MadeHello.protocols(["postgresql"])]
        return hello
    }
}
