// The formats of values are shared by the command line and the configuration file, so they are in a module of their
// own.
@_exported public import ValueFormats
