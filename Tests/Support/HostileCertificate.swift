package import TLS

/// A self-signed certificate, valid from 2020 to 2119, whose subject tries to forge names, fields and lines: `O=Ex ample`,
/// and `CN=` with `é, "x" CN=admin`, a line feed and `y`. Made with `openssl ca -selfsign`.
package enum HostileCertificate {
    package static let certificate: TLSCertificate = {
        var bytes = Array(key.utf8)
        return TLSCertificate(
            chain: PEMText(name: "hostile.pem", bytes: Array(chain.utf8)),
            key: SecretBytes(name: "hostile.key", moving: &bytes)
        )
    }()
    package static let subject = #"CN=\C3\A9\, \"x\" CN=admin\0Ay,O=Ex ample"#
    package static let commonName = "é, \"x\" CN=admin\ny"
    package static let fingerprint = "ae47e08338852a8e37ee38aae3f91b024d16d252c612740f9b8237b1e1b5aef4"

    private static let chain = """
        -----BEGIN CERTIFICATE-----
        MIIBhDCCASmgAwIBAgIBATAKBggqhkjOPQQDAjAwMREwDwYDVQQKDAhFeCBhbXBs
        ZTEbMBkGA1UEAwwSw6ksICJ4IiBDTj1hZG1pbgp5MCAXDTIwMDEwMTAwMDAwMFoY
        DzIxMjAwMTAxMDAwMDAwWjAwMREwDwYDVQQKDAhFeCBhbXBsZTEbMBkGA1UEAwwS
        w6ksICJ4IiBDTj1hZG1pbgp5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsyE/
        0L4auUJjCH5DUsPbnoHlAhU9T5E5tuUvHbOx3zdrogerUi+XdOri8J7KX/BAUucU
        KbmBpHC5OwyNrxHNFqMyMDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUKa/X
        Mr9Id36RkxUsYEYiNAnWioIwCgYIKoZIzj0EAwIDSQAwRgIhAIH5f+0kLiWrNfPY
        tKNHaDU6awG93DGihp8wIZ+AqeGyAiEA5kWrcAEfSeITwvNgWUzfBjylRODMwsZN
        jElRQFcF6ME=
        -----END CERTIFICATE-----

        """

    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggz2mM0y9JF/8ac7W
        Pc1qydyWohgKw6E12J0EfzOrLZqhRANCAASzIT/Qvhq5QmMIfkNSw9uegeUCFT1P
        kTm25S8ds7HfN2uiB6tSL5d06uLwnspf8EBS5xQpuYGkcLk7DI2vEc0W
        -----END PRIVATE KEY-----

        """
}
