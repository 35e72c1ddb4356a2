import Testing

/// A ClientHello recorded from a real client (OpenSSL 3.0).
struct RecordedHello: Sendable, CustomTestStringConvertible {
    let client: String
    let serverName: String?
    let protocols: [String]
    let bytes: [UInt8]

    var testDescription: String { client }

    static let all = [
        RecordedHello(
            client: "openssl s_client -tls1_2 -servername WWW.Example.COM -alpn h2,http/1.1",
            serverName: "www.example.com",
            protocols: ["h2", "http/1.1"],
            bytes: TCPProxyTests.bytes(
                hex: """
                    16030100b3010000af0303f8789d0b4748d58b4cccefd4a009a375e9b29f8119d76a392858a99361529b6500000ac02c
                    c030c02bc02f00ff0100007c00000014001200000f5757572e4578616d706c652e434f4d000b000403000102000a000c
                    000a001d0017001e00190018002300000010000e000c02683208687474702f312e310016000000170000000d002a0028
                    040305030603080708080809080a080b080408050806040105010601030303010302040205020602
                    """
            )
        ),
        RecordedHello(
            client: "openssl s_client -tls1_2 -noservername",
            serverName: nil,
            protocols: [],
            bytes: TCPProxyTests.bytes(
                hex: """
                    1603010089010000850303e270c4faa5481e60e66366688258fed9b4db22f275b3299803be721ae337c3e500000ac02c
                    c030c02bc02f00ff01000052000b000403000102000a000c000a001d0017001e00190018002300000016000000170000
                    000d002a0028040305030603080708080809080a080b080408050806040105010601030303010302040205020602
                    """
            )
        ),
        RecordedHello(
            client: "openssl s_client -tls1_3 -servername a.b.example.com. -alpn h2",
            serverName: "a.b.example.com",
            protocols: ["h2"],
            bytes: TCPProxyTests.bytes(
                hex: """
                    16030100fe010000fa030345e160fc634ff752505a557e3a388b8c588ca9363709e3ba43d61c847202852a20ac9fc10c
                    eeacdd7b6bb7fbf1815055a7272ab4ccb063001106b5d94436ba6f13000813021303130100ff010000a9000000150013
                    000010612e622e6578616d706c652e636f6d2e000b000403000102000a00160014001d0017001e001900180100010101
                    0201030104002300000010000500030268320016000000170000000d001e001c040305030603080708080809080a080b
                    080408050806040105010601002b0003020304002d00020101003300260024001d002030103346bc1c1b1de62bebf6b4
                    c6e3f495690635d617c04331f33de9f026ea5d
                    """
            )
        ),
        RecordedHello(
            client: "openssl s_client -tls1_3 -servername big.example.com -groups P-521:X25519",
            serverName: "big.example.com",
            protocols: [],
            bytes: TCPProxyTests.bytes(
                hex: """
                    1603010149010001450303f32056e46579148ee7b338204fb30b85175440b4acda51e4e9d72c962cc2ce7a2031a4cbe9
                    4ceda474c73f51822d4a1994018939635dac3c0d96d3f4ccb633168d000813021303130100ff010000f4000000140012
                    00000f6269672e6578616d706c652e636f6d000b000403000102000a000600040019001d002300000016000000170000
                    000d001e001c040305030603080708080809080a080b080408050806040105010601002b0003020304002d0002010100
                    33008b00890019008504010120201b026a83ed2834506e151e05d2385aa35670b8c934c02242eaded30e63f0987e9742
                    4bb3a32ecf392c82400b621d11cd55788116d05a527dcac01f21d18c008c679f3ad0250b80086b88eed33303e8bf2652
                    dce56c0780499f09e95d8942c9015cde458e931ca5ec16c410da8cc20a1b7fffdae8cd9afff4d7b3caffddcd6f99
                    """
            )
        ),
        RecordedHello(
            client: "Python 3.11 ssl, server_hostname db-1.internal, ALPN postgresql",
            serverName: "db-1.internal",
            protocols: ["postgresql"],
            bytes: TCPProxyTests.bytes(
                hex: """
                    1603010200010001fc03037a9cb3decb815c624b8ba6ec2346c0228c4c818c73d26afbcc9354507026e65020cf083468
                    6cb404ec5e497b6ab31d9368438cd3475d2b7a6a8aad4a1195311ad60024130213031301c02cc030c02bc02fcca9cca8
                    c024c028c023c027009f009e006b006700ff0100018f00000012001000000d64622d312e696e7465726e616c000b0004
                    03000102000a00160014001d0017001e0019001801000101010201030104002300000010000d000b0a706f7374677265
                    73716c0016000000170000000d002a0028040305030603080708080809080a080b080408050806040105010601030303
                    010302040205020602002b00050403040303002d00020101003300260024001d0020d2ff72f5b783a139a2c77fa44d01
                    e60f13ed64d1aeeb300c5b7d2dc5489cd661001500cf
                    """
            ) + [UInt8](repeating: 0, count: 207)
        ),
        RecordedHello(
            client: "curl 7.88, https://curl.example.org",
            serverName: "curl.example.org",
            protocols: ["h2", "http/1.1"],
            bytes: TCPProxyTests.bytes(
                hex: """
                    1603010200010001fc03032c0fcc321ed5d30f55e57723c39a9b01e3df6a5b3e955123c52e185cffce27772001b3778c
                    1d9686dd04ca2cfb3c7391d90cc0329aef7d16e8f5d77a9a3608d363003e130213031301c02cc030009fcca9cca8ccaa
                    c02bc02f009ec024c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff01000175
                    0000001500130000106375726c2e6578616d706c652e6f7267000b000403000102000a00160014001d0017001e001900
                    18010001010102010301040010000e000c02683208687474702f312e31001600000017000000310000000d002a002804
                    0305030603080708080809080a080b080408050806040105010601030303010302040205020602002b00090803040303
                    03020301002d00020101003300260024001d002089d2c39f6fbc80db1915abdcb210152cbcd2959e8173a991cd252ab3
                    ea8a6c70001500ad
                    """
            ) + [UInt8](repeating: 0, count: 173)
        ),
        RecordedHello(
            client: "openssl s_client -tls1 -noservername",
            serverName: nil,
            protocols: [],
            bytes: TCPProxyTests.bytes(
                hex: """
                    160301007f0100007b030143603c0ef7f599e58a5d9541820f9925b9358de7d0e4ab1a087c7f83884f2f1700002ec00a
                    c0140039003800880087c019003a0089c009c0130033003200450044c0180034004600350084002f004100ff01000024
                    000b000403000102000a000c000a001d0017001e00190018002300000016000000170000
                    """
            )
        ),
    ]
}
