// How values are written is the same on the command line and in the configuration file, so it has a module of its own.
@_exported public import Notation
