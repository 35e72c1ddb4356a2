import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
public import Sockets
import TCPProxy

/// A client of the HTTP endpoint of a running proxy, for one request at a time.
public struct AdminClient: Sendable {
    /// The address of the endpoint.
    public let address: ServiceAddress
    private let token: AdminToken?
    private let timeout: Duration

    /// Maximum time for a request and its response: longer than the server's limit for an operation.
    public static let defaultTimeout = Duration.seconds(60)
    /// Maximum size of a response in bytes.
    public static let maxResponseBytes = 256 << 20

    private static let connectTimeout = TimeAmount.seconds(10)

    /// - Parameters:
    ///   - address: the address of the endpoint.
    ///   - token: the token of the endpoint; nil if it requires none.
    ///   - timeout: the maximum time for a request and its response.
    public init(_ address: ServiceAddress, token: AdminToken? = nil, timeout: Duration = defaultTimeout) {
        self.address = address
        self.token = token
        self.timeout = timeout
    }

    /// A response.
    public struct Response: Sendable, Hashable {
        /// The HTTP status code.
        public var status: Int
        /// The body.
        public var body: String

        /// Whether the status code is 200 to 299.
        public var isSuccess: Bool { (200..<300).contains(status) }
    }

    /// Sends a GET request.
    ///
    /// - Parameters:
    ///   - path: the path, such as `/pools`.
    ///   - query: the parameters, not encoded.
    /// - Throws: ``AdminClientError``.
    public func get(_ path: String, query: [(String, String)] = []) async throws(AdminClientError) -> Response {
        try await send(.GET, path, query)
    }

    /// Sends a POST request.
    ///
    /// - Parameters:
    ///   - path: the path, such as `/servers/drain`.
    ///   - query: the parameters, not encoded.
    /// - Throws: ``AdminClientError``.
    public func post(_ path: String, query: [(String, String)] = []) async throws(AdminClientError) -> Response {
        try await send(.POST, path, query)
    }

    private func send(
        _ method: HTTPMethod,
        _ path: String,
        _ query: [(String, String)]
    ) async throws(AdminClientError) -> Response {
        let target: Sockets.SocketAddress
        do throws(AdminError) {
            target = try await Listener.resolve(address)
        } catch {
            throw .unresolvable("\(error)")
        }
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: Self.uri(path, query))
        // A loopback address is accepted whatever the name of the endpoint.
        head.headers.add(name: "host", value: "localhost")
        head.headers.add(name: "connection", value: "close")
        if method == .POST { head.headers.add(name: "content-length", value: "0") }
        if let token { head.headers.add(name: "authorization", value: token.authorization) }
        let start = ContinuousClock.now
        do {
            return try await exchange(head, with: NIOCore.SocketAddress(target))
        } catch AdminClientError.incomplete where ContinuousClock.now - start >= timeout {
            throw .timedOut(address, timeout)
        } catch let error as AdminClientError {
            throw error
        } catch let error as SystemError {
            throw .notConnected(address, error.description)
        } catch {
            if ContinuousClock.now - start >= timeout { throw .timedOut(address, timeout) }
            // What was received is not HTTP, or the connection was reset.
            throw .incomplete(address)
        }
    }

    private func exchange(_ head: HTTPRequestHead, with target: NIOCore.SocketAddress) async throws -> Response {
        typealias Exchange = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>
        let channel: Exchange
        do {
            channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(Self.connectTimeout)
                .connect(to: target) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try Exchange(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as IOError {
            throw AdminClientError.notConnected(address, SystemError(code: error.errnoCode).description)
        }
        let deadline = channel.channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
            channel.channel.close(promise: nil)
        }
        defer { deadline.cancel() }
        return try await channel.executeThenClose { inbound, outbound in
            // Together: the response may be complete, and the connection closed, before a second write.
            try await outbound.write(contentsOf: [.head(head), .end(nil)])
            var response = Response(status: 0, body: "")
            var body = ByteBuffer()
            for try await part in inbound {
                switch part {
                case .head(let head): response.status = Int(head.status.code)
                case .body(var piece):
                    guard body.readableBytes + piece.readableBytes <= Self.maxResponseBytes else {
                        throw AdminClientError.tooLong(address)
                    }
                    body.writeBuffer(&piece)
                case .end:
                    response.body = String(buffer: body)
                    return response
                }
            }
            throw AdminClientError.incomplete(address)
        }
    }

    /// Returns a path with its query, in which all but unreserved characters are percent-encoded (RFC 3986, 2.3).
    static func uri(_ path: String, _ query: [(String, String)]) -> String {
        guard !query.isEmpty else { return path }
        let parameters = query.map { "\(encoded($0))=\(encoded($1))" }
        return "\(path)?\(parameters.joined(separator: "&"))"
    }

    private static func encoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch UInt8(byte) {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return encoded
    }
}

/// The reason why a request to the endpoint got no response.
public enum AdminClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The host name of the address cannot be resolved; with the reason.
    case unresolvable(String)
    /// No connection could be established, or it failed; with the reason.
    case notConnected(ServiceAddress, String)
    /// The connection was closed before the response was complete.
    case incomplete(ServiceAddress)
    /// The response was not complete in this time.
    case timedOut(ServiceAddress, Duration)
    /// The response exceeds ``AdminClient/maxResponseBytes``.
    case tooLong(ServiceAddress)

    public var description: String {
        switch self {
        case .unresolvable(let reason):
            reason
        case .notConnected(let address, let reason):
            "cannot connect to the admin address \(address): \(reason): is a proxy running with --admin \(address)?"
        case .incomplete(let address):
            "no complete response from \(address): its connection was closed: check that it is the admin address of a proxy"
        case .timedOut(let address, let timeout):
            "no complete response from \(address) within \(timeout.components.seconds) s: check that it is the admin address of a proxy"
        case .tooLong(let address):
            "the response from \(address) is longer than \(AdminClient.maxResponseBytes >> 20) MiB: it was not read"
        }
    }
}

extension NIOCore.SocketAddress {
    fileprivate init(_ address: Sockets.SocketAddress) throws {
        switch address {
        case .internet(let internet): try self.init(ipAddress: internet.host, port: Int(internet.port))
        case .unix(let path):
            // SwiftNIO cannot express an abstract name, whose length is that of the address.
            guard !address.isAbstract else { throw SystemError(code: EAFNOSUPPORT) }
            try self.init(unixDomainSocketPath: path)
        }
    }
}
