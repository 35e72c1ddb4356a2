import CTLS

/// One end of a TLS connection: a reference to the library's session.
public struct TLSSession: EndpointTransform {
    let pointer: OpaquePointer

    public static func accept(_ context: TLSContext) -> TLSSession? {
        ctls_session_new(context.pointer).map { TLSSession(pointer: $0) }
    }

    public static func connect(_ context: TLSContext, to server: borrowing TLSServer) -> TLSSession? {
        guard let pointer = ctls_session_new(context.pointer) else { return nil }
        guard server.apply(to: pointer) else {
            ctls_session_free(pointer)
            return nil
        }
        return TLSSession(pointer: pointer)
    }

    /// Starts the client's side of a connection, with a choice of its resumption; returns nil if the name of the server
    /// cannot be used, or if the system is out of memory.
    public static func connect(
        _ context: TLSContext,
        to server: borrowing TLSServer,
        resumption: TLSResumption
    ) -> TLSSession? {
        guard let pointer = ctls_session_new(context.pointer) else { return nil }
        guard server.apply(to: pointer, resumption: resumption) else {
            ctls_session_free(pointer)
            return nil
        }
        return TLSSession(pointer: pointer)
    }

    /// Offers these application protocols (ALPN), at least one, in place of those of the context; before the handshake.
    ///
    /// - Returns: false if the system is out of memory.
    public func offer(_ protocols: [String]) -> Bool {
        let wire = TLSParameters.wireFormat(of: protocols)
        return ctls_session_set_alpn(pointer, wire, wire.count)
    }

    public func handshake(_ buffers: inout TransformBuffers) -> TransformResult {
        buffers.call { ctls_handshake(pointer, &$0) }
    }

    public func decode(
        _ buffers: inout TransformBuffers,
        into room: UnsafeMutableRawBufferPointer,
        count: inout Int
    ) -> TransformResult {
        buffers.call { ctls_read(pointer, &$0, room.baseAddress!, room.count, &count) }
    }

    public func encode(
        _ plaintext: UnsafeRawBufferPointer,
        _ buffers: inout TransformBuffers,
        count: inout Int
    ) -> TransformResult {
        buffers.call { ctls_write(pointer, &$0, plaintext.baseAddress!, plaintext.count, &count) }
    }

    public func end(_ buffers: inout TransformBuffers) -> TransformResult {
        buffers.call { ctls_close(pointer, &$0) }
    }

    public func inputEnded() { ctls_end_input(pointer) }

    public var hasPartialInput: Bool { ctls_has_pending(pointer) }

    public var failure: Int64 { ctls_failure(pointer) }

    public var isResumed: Bool { ctls_is_resumed(pointer) }

    public func release() { ctls_session_free(pointer) }

    /// The version after the handshake.
    public var version: TLSVersion? { TLSVersion(rawValue: ctls_version(pointer)) }

    /// OpenSSL's name of the cipher suite after the handshake.
    public var cipher: String { String(cString: ctls_cipher(pointer)) }

    /// The name of ``cipher``, in memory that is valid for as long as the process: the same name has the same address.
    public var cipherName: UnsafePointer<CChar> { ctls_cipher(pointer) }

    /// The application protocol after the handshake; nil if none was agreed on.
    public var applicationProtocol: String? {
        var size = 0
        guard let bytes = ctls_alpn(pointer, &size), size > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: size), as: UTF8.self)
    }
}

extension TransformBuffers {
    /// Calls a function of the library with these buffers.
    fileprivate mutating func call(_ body: (inout ctls_buffers) -> ctls_result) -> TransformResult {
        var buffers = ctls_buffers(
            input: input.baseAddress?.assumingMemoryBound(to: UInt8.self),
            input_count: input.count,
            output: output.baseAddress?.assumingMemoryBound(to: UInt8.self),
            output_capacity: output.count,
            output_count: outputCount
        )
        let result = body(&buffers)
        input = UnsafeRawBufferPointer(start: buffers.input, count: buffers.input_count)
        outputCount = buffers.output_count
        return switch result {
        case ctls_done: .done
        case ctls_needs_input: .needsInput
        case ctls_needs_output: .needsOutput
        case ctls_closed: .closed
        case ctls_truncated: .truncated
        default: .failed
        }
    }
}
