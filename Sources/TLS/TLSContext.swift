import CTLS

/// The settings of TLS connections: certificates, protocols, verification of the peer. Shared by all workers.
///
/// Connections keep the context they began with; a reload creates new ones.
public final class TLSContext: Sendable {
    // Safe: the library's context is not changed after `init`, and its functions may then be called by several threads.
    nonisolated(unsafe) let pointer: OpaquePointer

    /// Creates the context of a listener for one selection of certificates.
    ///
    /// - Throws: ``TLSError`` if a certificate or a setting cannot be used.
    public init(server settings: TLSServerSettings) throws(TLSError) {
        pointer = try Self.create(isServer: true)
        guard !settings.certificates.isEmpty else { throw .noCertificate }
        try apply(settings.parameters)
        for certificate in settings.certificates { try add(certificate) }
        if !settings.sendsTickets { ctls_context_disable_tickets(pointer) }
        if let keys = settings.ticketKeys { ctls_context_set_ticket_keys(pointer, keys.pointer) }
        // A session does not repeat the verification of the client, so it is resumed only where that would be the same.
        let scope = settings.clients?.scope ?? []
        ctls_context_set_session_scope(pointer, scope, scope.count)
        guard let clients = settings.clients else { return }
        trust(try TrustStore(clients.authorities))
        for name in clients.names {
            guard ctls_context_allow_client(pointer, name) else { throw .outOfMemory }
        }
        ctls_context_set_verification(pointer, clients.areRequired ? ctls_verify_required : ctls_verify_optional)
    }

    /// Creates the context of a pool's connections to its servers.
    ///
    /// - Throws: ``TLSError`` if a certificate or a setting cannot be used.
    public init(client settings: TLSClientSettings) throws(TLSError) {
        pointer = try Self.create(isServer: false)
        try apply(settings.parameters)
        if let certificate = settings.certificate { try add(certificate) }
        switch settings.verification {
        case .off:
            ctls_context_set_verification(pointer, ctls_verify_none)
        case .system:
            trust(try SystemTrust.load())
            ctls_context_set_verification(pointer, ctls_verify_required)
        case .authorities(let authorities):
            trust(try TrustStore(authorities))
            ctls_context_set_verification(pointer, ctls_verify_required)
        }
    }

    deinit {
        ctls_context_free(pointer)
    }

    private static func create(isServer: Bool) throws(TLSError) -> OpaquePointer {
        guard TLSLibrary.isAvailable else { throw .noLibrary }
        guard let pointer = ctls_context_new(isServer) else { throw .outOfMemory }
        return pointer
    }

    private func apply(_ parameters: TLSParameters) throws(TLSError) {
        guard ctls_context_set_min_version(pointer, parameters.minVersion.rawValue) else {
            throw .setting("minimum version \(parameters.minVersion)", "not supported")
        }
        if let version = parameters.maxVersion {
            guard version.rawValue >= parameters.minVersion.rawValue else {
                throw .setting("maximum version \(version)", "older than the minimum version \(parameters.minVersion)")
            }
            guard ctls_context_set_max_version(pointer, version.rawValue) else {
                throw .setting("maximum version \(version)", "not supported")
            }
        }
        if let ciphers = parameters.ciphers {
            try withReason {
                ctls_context_set_ciphers(pointer, ciphers, $0, $1)
            } orThrow: {
                .setting("ciphers '\(ciphers)'", $0)
            }
        }
        if let groups = parameters.groups {
            try withReason {
                ctls_context_set_groups(pointer, groups, $0, $1)
            } orThrow: {
                .setting("groups '\(groups)'", $0)
            }
        }
        guard !parameters.protocols.isEmpty else { return }
        let wire = TLSParameters.wireFormat(of: parameters.protocols)
        guard ctls_context_set_alpn(pointer, wire, wire.count) else { throw .outOfMemory }
    }

    private func trust(_ store: TrustStore) {
        withExtendedLifetime(store) { ctls_context_set_trust(pointer, store.pointer) }
    }

    private func add(_ certificate: TLSCertificate) throws(TLSError) {
        let (chain, staple) = (certificate.chain.bytes, certificate.ocspResponse ?? [])
        try withReason { error, size in
            certificate.key.withUnsafeBytes { key in
                ctls_context_add_certificate(
                    pointer,
                    chain,
                    chain.count,
                    key.assumingMemoryBound(to: UInt8.self).baseAddress!,
                    key.count,
                    staple,
                    staple.count,
                    error,
                    size
                )
            }
        } orThrow: {
            .certificate(certificate.chain.name, $0)
        }
    }
}

extension TLSServerSettings.ClientVerification {
    /// What a client that was accepted with these settings has proved, as bytes.
    fileprivate var scope: [UInt8] {
        [areRequired ? 1 : 0] + names.flatMap { Array($0.utf8) + [0] } + [0] + authorities.bytes
    }
}

/// Calls a function of the library that stores the reason of a failure.
func withReason(
    _ body: (UnsafeMutablePointer<CChar>, Int) -> Bool,
    orThrow error: (String) -> TLSError
) throws(TLSError) {
    var failure: TLSError?
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { text in
        text.initialize(repeating: 0)
        if !body(text.baseAddress!, text.count) { failure = error(String(cString: text.baseAddress!)) }
    }
    if let failure { throw failure }
}
