// Types of lower modules that are part of the public API, so that `import LoadTester` is sufficient.
@_exported public import struct ProcessSupport.SourceAddressError
@_exported public import struct Sockets.AddressParseError
@_exported public import struct Sockets.InternetAddress
@_exported public import enum Sockets.ServiceAddress
@_exported public import enum Sockets.SocketAddress
@_exported public import struct Sockets.SystemError
@_exported public import struct TLS.PEMText
@_exported public import struct TLS.TLSCertificate
@_exported public import struct TLS.TLSClientSettings
@_exported public import enum TLS.TLSError
@_exported public import struct TLS.TLSParameters
@_exported public import enum TLS.TLSVersion
