import CTLS

/// The keys of session tickets, shared by contexts and threads: the first one encrypts, all decrypt.
public final class SessionTicketKeys: Sendable {
    // Safe: the library guards the keys with a lock.
    nonisolated(unsafe) let pointer: OpaquePointer

    /// The maximum number of keys.
    public static let maxKeys = Int(ctls_max_ticket_keys)

    /// Creates a random key.
    ///
    /// - Parameter rotation: the time after which another random key encrypts; the one before it decrypts for the same time
    ///   again. nil keeps the key.
    /// - Throws: ``TLSError/noLibrary``, ``TLSError/outOfMemory``.
    public init(rotation: Duration?) throws(TLSError) {
        guard TLSLibrary.isAvailable else { throw .noLibrary }
        guard let pointer = ctls_ticket_keys_new() else { throw .outOfMemory }
        self.pointer = pointer
        if let rotation { ctls_ticket_keys_set_period(pointer, max(1, rotation.components.seconds)) }
    }

    /// Uses keys that several processes share.
    ///
    /// - Parameter keys: 1 to ``maxKeys`` keys of 80 bytes, or one of 48, as in the files of nginx'
    ///   `ssl_session_ticket_key`.
    /// - Throws: ``TLSError/noLibrary``, ``TLSError/outOfMemory``, ``TLSError/ticketKeys(_:)``.
    public convenience init(_ keys: SecretBytes) throws(TLSError) {
        try self.init(rotation: nil)
        let isValid = keys.withUnsafeBytes { bytes in
            ctls_ticket_keys_set(pointer, bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), bytes.count)
        }
        guard isValid else { throw .ticketKeys(keys.name) }
    }

    deinit {
        ctls_ticket_keys_free(pointer)
    }

    /// Takes over the keys of others and the time at which the next one is due, so that their tickets stay valid.
    public func copy(_ others: SessionTicketKeys) {
        guard others !== self else { return }
        ctls_ticket_keys_copy(pointer, others.pointer)
    }

    /// Does what is due after a time, for tests.
    func advance(by time: Duration) {
        ctls_ticket_keys_advance(pointer, time.components.seconds)
    }
}
