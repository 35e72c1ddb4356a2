import CTLS

/// The library that is part of this build: BoringSSL, the system's OpenSSL, or none.
public enum TLSLibrary {
    /// Whether there is a library. Without one, contexts and certificates throw ``TLSError/noLibrary``.
    public static var isAvailable: Bool { ctls_is_available() }
}
