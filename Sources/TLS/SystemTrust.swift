import Glibc

/// The authorities that the system trusts.
enum SystemTrust {
    /// The files of Debian, Fedora, SUSE and Alpine.
    static let paths = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ]
    /// The maximum size of the file in bytes.
    static let maxSize = 16 * 1024 * 1024

    /// Reads the first file that exists.
    static func load() throws(TLSError) -> PEMText {
        for path in paths {
            guard let file = fopen(path, "re") else { continue }
            defer { fclose(file) }
            var bytes: [UInt8] = []
            var block = [UInt8](repeating: 0, count: 64 * 1024)
            while bytes.count < maxSize {
                let count = fread(&block, 1, block.count, file)
                guard count > 0 else { break }
                bytes += block[..<count]
            }
            if !bytes.isEmpty { return PEMText(name: path, bytes: bytes) }
        }
        throw .noSystemAuthorities
    }
}
