// What a user of this library meets of the modules below it, so that `import TCPProxy` is enough. The rest of them is
// the data plane's own.
@_exported public import enum Balancing.Policy
@_exported public import enum Relay.Engine
@_exported public import struct Sockets.AddressError
@_exported public import struct Sockets.InternetAddress
@_exported public import struct Sockets.KeepAlive
@_exported public import enum Sockets.PeerAddress
@_exported public import enum Sockets.ServiceAddress
@_exported public import enum Sockets.SocketAddress
@_exported public import struct Sockets.SystemError
