package import Testing

/// One request and its response over a separate connection, on a raw socket, so that a test can also send what no HTTP
/// client would.
package struct HTTPResponse: Sendable {
    package let status: Int
    /// Header fields by lowercase name.
    package let headers: [String: String]
    package let body: String
}

/// Requests `path` from `address` and receives the whole response.
package func httpGet(
    _ path: String,
    from address: TestAddress,
    method: String = "GET",
    host: String? = nil,
    fields: [String] = [],
    limit: Duration = patience,
    at location: SourceLocation = #_sourceLocation
) throws -> HTTPResponse {
    let socket = try TestSocket.connect(to: address, limit: limit, at: location)
    let lines = ["\(method) \(path) HTTP/1.1", "Host: \(host ?? "\(address)")", "Connection: close"] + fields
    try socket.send(lines.map { "\($0)\r\n" }.joined() + "\r\n", at: location)
    return try HTTPResponse(parsing: socket.receiveRest(at: location).text, at: location)
}

extension HTTPResponse {
    package init(parsing text: String, at location: SourceLocation = #_sourceLocation) throws {
        // Swift treats CR LF as one character.
        guard let headEnd = text.firstRange(of: "\r\n\r\n") else {
            throw Unexpected("no HTTP response: “\(text)”", at: location)
        }
        let lines = text[..<headEnd.lowerBound].split(separator: "\r\n")
        guard let words = lines.first?.split(separator: " "), words.count >= 2, words[0].hasPrefix("HTTP/1."),
            let status = Int(words[1])
        else { throw Unexpected("no HTTP status line: “\(text)”", at: location) }
        self.status = status
        headers = lines.dropFirst().reduce(into: [:]) { headers, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " }) }
        }
        guard headers["transfer-encoding"] == nil else {
            throw Unexpected("a chunked body, which this reader does not support", at: location)
        }
        body = String(text[headEnd.upperBound...])
    }
}
