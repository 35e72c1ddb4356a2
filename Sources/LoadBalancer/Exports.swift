// Types of lower modules that signatures of this library use, so that `import LoadBalancer` is sufficient.
@_exported public import struct Balancing.HealthCounter
@_exported public import struct ValueFormats.ValueFormatError
