// Types of lower modules that are part of the public API, so that `import EchoServer` is sufficient.
@_exported public import enum ProcessSupport.ListenError
@_exported public import struct Sockets.AddressParseError
@_exported public import struct Sockets.InternetAddress
@_exported public import enum Sockets.ServiceAddress
@_exported public import enum Sockets.SocketAddress
@_exported public import struct Sockets.SystemError
