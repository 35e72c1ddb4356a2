import Glibc

/// Secret bytes, such as a private key. They are overwritten when the last reference is released, and no description or
/// dump shows them.
public final class SecretBytes: Sendable {
    /// The path of the file, or another description, for messages.
    public let name: String
    // Safe: not changed between `init` and `deinit`.
    nonisolated(unsafe) private let storage: UnsafeMutableRawBufferPointer

    /// Moves the bytes of an array, which is overwritten with zeros.
    ///
    /// - Parameters:
    ///   - name: the path of the file, or another description.
    ///   - bytes: an array that no other variable shares, or its bytes stay in memory.
    public init(name: String, moving bytes: inout [UInt8]) {
        self.name = name
        storage = .allocate(byteCount: bytes.count, alignment: 1)
        bytes.withUnsafeMutableBytes { bytes in
            storage.copyMemory(from: UnsafeRawBufferPointer(bytes))
            Self.wipe(bytes)
        }
        bytes = []
    }

    /// Moves a text of the C library, which is overwritten with zeros.
    init(name: String, moving text: UnsafeMutablePointer<CChar>) {
        let bytes = UnsafeMutableRawBufferPointer(start: text, count: strlen(text))
        self.name = name
        storage = .allocate(byteCount: bytes.count, alignment: 1)
        storage.copyMemory(from: UnsafeRawBufferPointer(bytes))
        Self.wipe(bytes)
    }

    deinit {
        Self.wipe(storage)
        storage.deallocate()
    }

    /// The number of bytes.
    public var count: Int { storage.count }

    /// Calls a function with the bytes, which it must not copy.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(storage))
    }

    private static func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
        if let start = bytes.baseAddress { explicit_bzero(start, bytes.count) }
    }
}

extension SecretBytes: Hashable {
    public static func == (first: SecretBytes, second: SecretBytes) -> Bool {
        guard first !== second else { return true }
        guard first.name == second.name, first.count == second.count else { return false }
        guard first.count > 0 else { return true }
        return memcmp(first.storage.baseAddress!, second.storage.baseAddress!, first.count) == 0
    }

    public func hash(into hasher: inout Hasher) {
        // Not the bytes, of which the hasher would keep some.
        hasher.combine(name)
        hasher.combine(count)
    }
}

extension SecretBytes: CustomStringConvertible, CustomReflectable {
    /// The name and the number of bytes.
    public var description: String { "\(name) (\(count) secret bytes)" }

    /// A mirror without children.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
