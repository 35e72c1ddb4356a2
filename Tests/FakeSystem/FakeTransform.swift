import Randomness
public import Relay
public import TLS

extension FakeSystem: RelaySystem {
    public typealias Transform = FakeTransform
}

/// A transform that keeps the number of bytes: it inverts some bits of each. Two of them, at the client and at the server,
/// cancel each other out, so that peers in a fake world need no transform of their own.
///
/// Like TLS, it consumes input that it returns later, returns and encodes less than it could, and answers `needsInput`
/// although bytes have been consumed.
public struct FakeTransform: EndpointTransform {
    private struct State {
        /// Decoded bytes that have not been returned.
        var held: [UInt8] = []
        var hasEnded = false
        var random: SplitMix64
    }

    private let state: UnsafeMutablePointer<State>

    /// The maximum number of bytes of a record.
    private static let maxRecord = 16_384

    private static func make() -> FakeTransform {
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State(random: SplitMix64(seed: 1)))
        return FakeTransform(state: state)
    }

    public static func accept(_ context: TLSContext) -> FakeTransform? { make() }

    public static func connect(_ context: TLSContext, to server: borrowing TLSServer) -> FakeTransform? { make() }

    public func handshake(_ buffers: inout TransformBuffers) -> TransformResult { .done }

    public func decode(
        _ buffers: inout TransformBuffers,
        into room: UnsafeMutableRawBufferPointer,
        count: inout Int
    ) -> TransformResult {
        if state.pointee.held.isEmpty {
            guard !buffers.input.isEmpty else { return state.pointee.hasEnded ? .closed : .needsInput }
            let taken = Int.random(in: 1...min(buffers.input.count, Self.maxRecord), using: &state.pointee.random)
            state.pointee.held = buffers.input[..<taken].map { ~$0 }
            buffers.input = UnsafeRawBufferPointer(rebasing: buffers.input[taken...])
        }
        count = min(room.count, state.pointee.held.count)
        for index in 0..<count { room[index] = state.pointee.held[index] }
        state.pointee.held.removeFirst(count)
        return .done
    }

    public func encode(
        _ plaintext: UnsafeRawBufferPointer,
        _ buffers: inout TransformBuffers,
        count: inout Int
    ) -> TransformResult {
        count = Int.random(in: 1...min(plaintext.count, Self.maxRecord), using: &state.pointee.random)
        for index in 0..<count { buffers.output[buffers.outputCount + index] = ~plaintext[index] }
        buffers.outputCount += count
        return .done
    }

    public func end(_ buffers: inout TransformBuffers) -> TransformResult { .done }

    public func inputEnded() { state.pointee.hasEnded = true }

    public var failure: Int64 { 0 }

    public var isResumed: Bool { false }

    public func release() {
        state.deinitialize(count: 1)
        state.deallocate()
    }
}
