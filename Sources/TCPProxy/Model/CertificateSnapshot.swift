public import TLS

/// A certificate that a listener uses.
public struct CertificateSnapshot: Sendable, Equatable {
    /// Name of the listener.
    public var listener: String
    /// Path of the file, or another description of the source.
    public var name: String
    /// What the certificate says about itself.
    public var info: CertificateInfo

    /// Creates the snapshot of a certificate.
    public init(listener: String, name: String, info: CertificateInfo) {
        self.listener = listener
        self.name = name
        self.info = info
    }
}
