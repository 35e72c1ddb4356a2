import NIOHTTP1

/// The parts of a request that decide its response.
struct AdminRequest: Sendable {
    let method: HTTPMethod
    /// The path of the target, not percent-decoded: no path of the endpoint contains a character that needs it.
    let path: String
    /// The host and port that the client addressed; nil if it did not say.
    let host: String?
    let headers: HTTPHeaders
    /// Whether the request has a body, which is discarded.
    let hasBody: Bool
    private let query: Substring

    /// Reads the target and the Host field. The authority of an absolute target replaces the Host field (RFC 9112,
    /// 3.2.2).
    ///
    /// - Throws: ``AdminRequestError`` if the request is ambiguous (RFC 9112, 3.2): several Host fields, or none in
    ///   HTTP/1.1; or if the target is of another scheme.
    init(_ head: HTTPRequestHead) throws(AdminRequestError) {
        let hosts = head.headers["host"]
        guard hosts.count <= 1 else {
            throw AdminRequestError("\(hosts.count) Host fields: send one")
        }
        guard !hosts.isEmpty || head.version == .http1_0 else {
            throw AdminRequestError("no Host field: HTTP/1.1 requires one")
        }
        var target = head.uri[...]
        var host = hosts.first
        if !target.hasPrefix("/"), let colon = target.firstRange(of: "://") {
            guard target[..<colon.lowerBound].lowercased() == "http" else {
                throw AdminRequestError("unsupported scheme '\(target[..<colon.lowerBound])': send the path alone")
            }
            target = target[colon.upperBound...]
            let end = target.firstIndex { "/?#".contains($0) } ?? target.endIndex
            host = String(target[..<end])
            target = target[end...]
        }
        let parts = target.prefix { $0 != "#" }.split(
            separator: "?",
            maxSplits: 1,
            omittingEmptySubsequences: false
        )
        path = parts.first.map { $0.isEmpty ? "/" : String($0) } ?? "/"
        query = parts.count > 1 ? parts[1] : ""
        self.host = host
        method = head.method
        headers = head.headers
        hasBody = head.announcesBody
    }

    /// Decodes the parameters of the query, in order.
    ///
    /// - Throws: ``AdminRequestError`` if a percent sign is not followed by two hexadecimal digits, or if the result is
    ///   not UTF-8.
    func parameters() throws(AdminRequestError) -> [(name: String, value: String)] {
        var parameters: [(name: String, value: String)] = []
        for parameter in query.split(separator: "&") {
            let parts = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? parts[1] : ""
            parameters.append((try Self.percentDecoded(parts[0]), try Self.percentDecoded(value)))
        }
        return parameters
    }

    private static func percentDecoded(_ text: Substring) throws(AdminRequestError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexadecimalValue),
                let low = rest.popFirst().flatMap(hexadecimalValue)
            else {
                throw AdminRequestError("invalid escape in '\(text)': % must be followed by two hexadecimal digits")
            }
            bytes.append(high << 4 | low)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw AdminRequestError("invalid escape in '\(text)': the decoded bytes must be UTF-8")
        }
        return decoded
    }

    private static func hexadecimalValue(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
    }
}

extension HTTPRequestHead {
    /// Whether a body follows the head.
    var announcesBody: Bool {
        headers.contains(name: "transfer-encoding") || headers["content-length"].contains { $0 != "0" }
    }
}
