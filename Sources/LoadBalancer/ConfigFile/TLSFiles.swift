package import ProcessSupport
package import TCPProxy

/// The files that TLS settings name. Their names in messages are the paths as written.
package enum TLSFiles {
    /// The maximum size of a file in bytes.
    package static let maxSize = 1 << 20

    /// Reads certificates. Private keys in the same file are left out.
    package static func certificates(
        _ path: String,
        in context: ConfigurationFile.Context = ConfigurationFile.Context()
    ) throws(RegularFileError) -> PEMText {
        var bytes = try read(path, in: context)
        guard contains(bytes[...], "PRIVATE KEY-----") else { return PEMText(name: path, bytes: bytes) }
        var certificates: [UInt8] = []
        var isCertificate = false
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            if line.starts(with: "-----BEGIN ".utf8) { isCertificate = !contains(line, "PRIVATE KEY") }
            if isCertificate { certificates += line + [UInt8(ascii: "\n")] }
            if line.starts(with: "-----END ".utf8) { isCertificate = false }
        }
        // Overwrites the key.
        _ = SecretBytes(name: path, moving: &bytes)
        return PEMText(name: path, bytes: certificates)
    }

    /// Reads a key.
    package static func secret(
        _ path: String,
        in context: ConfigurationFile.Context = ConfigurationFile.Context()
    ) throws(RegularFileError) -> SecretBytes {
        var bytes = try read(path, in: context)
        return SecretBytes(name: path, moving: &bytes)
    }

    static func read(_ path: String, in context: ConfigurationFile.Context) throws(RegularFileError) -> [UInt8] {
        try context.readPEM(ConfigurationFile.Context.path(path, from: context.folder))
    }

    private static func contains(_ bytes: ArraySlice<UInt8>, _ text: String) -> Bool {
        let text = Array(text.utf8)
        guard bytes.count >= text.count else { return false }
        return bytes.indices.dropLast(text.count - 1).contains { bytes[$0...].starts(with: text) }
    }
}

extension CertificateSection {
    /// Returns the certificate itself, or those in the folder, in the order of their names: `NAME.pem` with the chain and the
    /// key, or `NAME.pem`, `NAME.crt` or `NAME.cer` with the key in `NAME.key`. `NAME.ocsp` is the OCSP response. Other files
    /// are ignored.
    ///
    /// - Throws: `RegularFileError`, or ``TLSSettingsError`` if a key is missing or there is no certificate.
    func expanded(in context: ConfigurationFile.Context) throws -> [CertificateSection] {
        guard let folder else { return [self] }
        let path = ConfigurationFile.Context.path(folder, from: context.folder)
        guard let names = try context.list(path) else {
            throw TLSSettingsError("\(folder) is not a folder: write {certificate: FILE, key: FILE}")
        }
        let all = Set(names)
        var certificates: [CertificateSection] = []
        for name in names.sorted() where !name.hasPrefix(".") {
            guard let ending = Self.endings.first(where: name.hasSuffix) else { continue }
            let stem = String(name.dropLast(ending.count))
            func place(_ name: String) -> String { ConfigurationFile.Context.path(name, from: folder) }
            let hasKey = all.contains(stem + ".key")
            guard hasKey || ending == ".pem" else {
                throw TLSSettingsError("\(place(name)) has no key: add \(place(stem + ".key"))")
            }
            certificates.append(
                CertificateSection(
                    certificate: place(name),
                    key: hasKey ? place(stem + ".key") : place(name),
                    ocsp: all.contains(stem + ".ocsp") ? place(stem + ".ocsp") : nil
                )
            )
        }
        guard !certificates.isEmpty else {
            throw TLSSettingsError("no certificates in \(folder): add NAME.pem with the chain and the key")
        }
        return certificates
    }

    private static let endings = [".pem", ".crt", ".cer"]

    /// Reads the files.
    ///
    /// - Parameter warnings: receives the reason why an OCSP response is not used.
    func load(in context: ConfigurationFile.Context, _ warnings: inout [String]) throws -> TLSCertificate {
        var pair = TLSCertificate(
            chain: try TLSFiles.certificates(certificate, in: context),
            key: try TLSFiles.secret(key, in: context)
        )
        guard let ocsp else { return pair }
        do throws(RegularFileError) {
            let bytes = try TLSFiles.read(ocsp, in: context)
            if let problem = try? Self.problem(of: bytes, for: pair, at: context.now()) {
                warnings.append("OCSP response \(ocsp) is not sent: \(problem)")
            } else {
                pair.ocspResponse = bytes
            }
        } catch {
            warnings.append("no OCSP response is sent: \(error)")
        }
        return pair
    }

    private static func problem(of response: [UInt8], for pair: TLSCertificate, at now: Int64) throws(TLSError)
        -> String?
    {
        guard let response = OCSPResponse(der: response) else {
            return "it is not the successful response of an authority in DER: get one with openssl ocsp -respout FILE"
        }
        return response.problem(for: try CertificateInfo(pair.chain), at: now).map { "\($0): get another one" }
    }
}
