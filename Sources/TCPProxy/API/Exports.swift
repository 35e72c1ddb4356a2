// Types of lower modules that are part of the public API, so that `import TCPProxy` is sufficient. The rest of these
// modules is internal to the data plane.
@_exported public import enum Balancing.BalancingPolicy
@_exported public import enum ProcessSupport.ListenError
@_exported public import enum ProcessSupport.ProcessIdentityError
@_exported public import struct ProcessSupport.SourceAddressError
@_exported public import enum Relay.RelayEngine
@_exported public import struct Sockets.AddressParseError
@_exported public import enum Sockets.InheritedSocketError
@_exported public import struct Sockets.InternetAddress
@_exported public import struct Sockets.KeepAlive
@_exported public import enum Sockets.PeerAddress
@_exported public import enum Sockets.ServiceAddress
@_exported public import enum Sockets.SocketAddress
@_exported public import struct Sockets.SystemError
@_exported public import struct TLS.CertificateInfo
@_exported public import struct TLS.OCSPResponse
@_exported public import struct TLS.PEMText
@_exported public import class TLS.SecretBytes
@_exported public import struct TLS.TLSCertificate
@_exported public import struct TLS.TLSClientSettings
@_exported public import struct TLS.TLSConnectionInfo
@_exported public import enum TLS.TLSError
@_exported public import struct TLS.TLSParameters
@_exported public import struct TLS.TLSServerSettings
@_exported public import enum TLS.TLSVersion
