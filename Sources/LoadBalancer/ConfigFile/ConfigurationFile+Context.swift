import Glibc
import ProcessSupport

extension ConfigurationFile {
    /// What a configuration file refers to: environment variables and other files.
    public struct Context: Sendable {
        /// Path of the file; nil if it is not in a file.
        var path: String?
        /// Folder that relative paths of included files start from; empty for the current folder.
        package var folder: String
        /// Returns the value of an environment variable; nil if it is not set.
        package var environment: @Sendable (String) -> String?
        /// Reads an included file.
        var read: @Sendable (String) throws(RegularFileError) -> [UInt8]
        /// Reads a file with certificates or a key.
        var readPEM: @Sendable (String) throws(RegularFileError) -> [UInt8]
        /// What is in use, so that unchanged certificates are not prepared again.
        var inUse = LoadedTLS()
        /// The time in seconds since 1970.
        package var now: @Sendable () -> Int64 = { Int64(WallClock.nanoseconds / 1_000_000_000) }
        /// Returns the names of the files in a folder; nil if the path is not a folder.
        var list: @Sendable (String) throws(RegularFileError) -> [String]?
        /// Returns a name that two paths have in common only if they lead to the same file.
        var identify: @Sendable (String) -> String

        /// Creates the context of a file: the environment of this process, and the files of the system.
        ///
        /// - Parameter path: path of the file; nil for a text that is not in a file, such as standard input.
        public init(of path: String? = nil) {
            self.path = path
            let slash = path?.lastIndex(of: "/")
            folder = if let path, let slash { slash == path.startIndex ? "/" : String(path[..<slash]) } else { "" }
            environment = { name in getenv(name).map { String(cString: $0) } }
            read = { path throws(RegularFileError) in
                try RegularFile.read(path, maxSize: ConfigurationFile.maxBytes)
            }
            readPEM = { path throws(RegularFileError) in
                try RegularFile.read(path, maxSize: TLSFiles.maxSize)
            }
            list = { path throws(RegularFileError) in
                try RegularFile.names(inFolder: path, max: ConfigurationFile.maxFolderEntries)
            }
            identify = { path in
                guard let real = realpath(path, nil) else { return path }
                defer { free(real) }
                return String(cString: real)
            }
        }

        /// No environment and no files, for texts from an untrusted source.
        package static var isolated: Context {
            var context = Context()
            context.environment = { _ in nil }
            context.read = { path throws(RegularFileError) in
                throw RegularFileError(path: path, problem: .system(ENOENT))
            }
            context.readPEM = context.read
            context.list = { _ in nil }
            context.identify = { $0 }
            return context
        }

        /// Returns the context with what is in use.
        func using(_ tls: LoadedTLS) -> Context {
            var context = self
            context.inUse = tls
            return context
        }

        /// Returns a path of an included file, relative to the folder of the file that names it.
        static func path(_ path: String, from folder: String) -> String {
            if path.hasPrefix("/") || folder.isEmpty { return path }
            return folder.hasSuffix("/") ? "\(folder)\(path)" : "\(folder)/\(path)"
        }
    }

    /// Maximum number of files that a file includes, with the files that those include.
    package static let maxIncludedFiles = 256
    /// Maximum number of files of which each includes the next.
    package static let maxIncludeDepth = 8
    /// Maximum number of bytes of a file and all files that it includes.
    package static let maxIncludedBytes = 4 << 20
    /// Maximum number of files in a folder that is included.
    package static let maxFolderEntries = 4096
    /// Maximum number of paths in `include`.
    package static let maxIncludes = 64
}
