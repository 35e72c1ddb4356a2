// Types of lower modules that are part of the public API, so that `import AdminServer` and `import TCPProxy` are sufficient.
@_exported public import enum ProcessSupport.ListenError
