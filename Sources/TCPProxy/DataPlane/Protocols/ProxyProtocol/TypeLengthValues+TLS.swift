import TLS

// The fields of a header that describe the client's TLS connection with this proxy (proxy-protocol.txt, 2.2.1 to 2.2.6).

extension TypeLengthValues {
    /// PP2_TYPE_ALPN, PP2_TYPE_AUTHORITY and PP2_TYPE_SSL.
    static let alpnType: UInt8 = 0x01
    static let authorityType: UInt8 = 0x02
    static let tlsType: UInt8 = 0x20
    /// PP2_SUBTYPE_SSL_VERSION, PP2_SUBTYPE_SSL_CN and PP2_SUBTYPE_SSL_CIPHER.
    static let versionType: UInt8 = 0x21
    static let commonNameType: UInt8 = 0x22
    static let cipherType: UInt8 = 0x23
    /// PP2_CLIENT_SSL, PP2_CLIENT_CERT_CONN and PP2_CLIENT_CERT_SESS.
    static let isTLS: UInt8 = 1
    static let sentCertificate: UInt8 = 2
    static let hasCertificate: UInt8 = 4

    /// Maximum length in bytes of a value. A longer one is left out: a part of it could be another name.
    static let maxTextLength = 255
    /// Maximum length in bytes of received fields and these together, so that with all addresses the header does not exceed
    /// what this proxy, and nginx, accept. Beyond it, only the received ones are sent.
    static let maxLength = ProxyProtocolHeader.defaultLimit - ProxyProtocolHeader.fixedLength - 216

    /// Returns the fields of a connection. A field of a type that has been received is left out: it describes the client's
    /// own connection, with the proxy in front of this one.
    static func fields(of tls: TLSConnectionInfo, besides received: UnsafeRawBufferPointer) -> [UInt8] {
        var fields: [UInt8] = []
        let taken = types(of: received)
        if !taken.contains(alpnType), let name = tls.applicationProtocol { append(alpnType, name, to: &fields) }
        if !taken.contains(authorityType), let name = tls.serverName { append(authorityType, name, to: &fields) }
        if !taken.contains(tlsType) { append(tlsType, tlsValue(of: tls), to: &fields) }
        return received.count + fields.count <= maxLength ? fields : []
    }

    private static func tlsValue(of tls: TLSConnectionInfo) -> [UInt8] {
        var flags = isTLS
        if tls.certificate != nil { flags |= tls.isResumed ? hasCertificate : sentCertificate | hasCertificate }
        // Zero only for a certificate that was verified.
        let isVerified = tls.certificate?.isVerified ?? false
        var value: [UInt8] = [flags, 0, 0, 0, isVerified ? 0 : 1]
        append(versionType, tls.version.protocolName, to: &value)
        if let name = tls.certificate?.commonName { append(commonNameType, name, to: &value) }
        append(cipherType, tls.cipher, to: &value)
        return value
    }

    /// Appends a field with a text that is not too long and has no control characters, which could forge a line of the
    /// server's log.
    private static func append(_ type: UInt8, _ text: String, to fields: inout [UInt8]) {
        let value = Array(text.utf8)
        let isPrintable = !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
        guard (1...maxTextLength).contains(value.count), isPrintable else { return }
        append(type, value, to: &fields)
    }

    private static func append(_ type: UInt8, _ value: [UInt8], to fields: inout [UInt8]) {
        fields += [type, UInt8(value.count >> 8), UInt8(value.count & 0xFF)] + value
    }

    /// Returns the types of valid fields.
    private static func types(of fields: UnsafeRawBufferPointer) -> Set<UInt8> {
        var reader = ByteReader(fields, in: 0..<fields.count)
        var types: Set<UInt8> = []
        while !reader.isAtEnd, let type = reader.readByte(), reader.readVector(lengthBytes: 2) != nil {
            types.insert(type)
        }
        return types
    }
}
