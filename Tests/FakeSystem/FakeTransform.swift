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
/// although bytes have been consumed. With ``Faults``, handshakes wait for the client's first bytes, and any step may fail.
public struct FakeTransform: EndpointTransform {
    /// The faults of all transforms of one simulation.
    // Safe: only the thread that runs the simulation uses it.
    public final class Faults: @unchecked Sendable {
        private let failures: Double
        private let delays: Double
        private var random: SplitMix64

        /// - Parameters:
        ///   - failures: the probability that a step fails.
        ///   - delays: the probability that a handshake with a client needs its first bytes.
        public init(failures: Double, delays: Double, seed: UInt64) {
            self.failures = failures
            self.delays = delays
            random = SplitMix64(seed: seed)
        }

        fileprivate func fails() -> Bool { failures > 0 && Double.random(in: 0..<1, using: &random) < failures }

        fileprivate func delays(_ isServer: Bool) -> Bool {
            isServer && delays > 0 && Double.random(in: 0..<1, using: &random) < delays
        }
    }

    /// The faults of the transforms that are created; nil for none.
    @TaskLocal public static var faults: Faults?

    private struct State {
        /// Decoded bytes that have not been returned.
        var held: [UInt8] = []
        var hasEnded = false
        var needsFirstBytes = false
        var hasFailed = false
        var random: SplitMix64
        let faults: Faults?

        /// Whether this step fails, or an earlier one has.
        mutating func fails() -> Bool {
            if let faults, faults.fails() { hasFailed = true }
            return hasFailed
        }

        /// Moves a part of the input to ``held``.
        mutating func consume(_ buffers: inout TransformBuffers) {
            let taken = Int.random(in: 1...min(buffers.input.count, FakeTransform.maxRecord), using: &random)
            held += buffers.input[..<taken].map { ~$0 }
            buffers.input = UnsafeRawBufferPointer(rebasing: buffers.input[taken...])
        }
    }

    private let state: UnsafeMutablePointer<State>

    /// The maximum number of bytes of a record.
    private static let maxRecord = 16_384

    private static func make(isServer: Bool) -> FakeTransform {
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        var initial = State(random: SplitMix64(seed: 1), faults: faults)
        initial.needsFirstBytes = faults?.delays(isServer) ?? false
        state.initialize(to: initial)
        return FakeTransform(state: state)
    }

    public static func accept(_ context: TLSContext) -> FakeTransform? { make(isServer: true) }

    public static func connect(_ context: TLSContext, to server: borrowing TLSServer) -> FakeTransform? {
        make(isServer: false)
    }

    public func handshake(_ buffers: inout TransformBuffers) -> TransformResult {
        if state.pointee.fails() { return .failed }
        guard state.pointee.needsFirstBytes else { return .done }
        guard !buffers.input.isEmpty else { return state.pointee.hasEnded ? .closed : .needsInput }
        state.pointee.consume(&buffers)
        return .done
    }

    public func decode(
        _ buffers: inout TransformBuffers,
        into room: UnsafeMutableRawBufferPointer,
        count: inout Int
    ) -> TransformResult {
        if state.pointee.fails() { return .failed }
        if state.pointee.held.isEmpty {
            guard !buffers.input.isEmpty else { return state.pointee.hasEnded ? .closed : .needsInput }
            state.pointee.consume(&buffers)
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
        if state.pointee.fails() { return .failed }
        count = Int.random(in: 1...min(plaintext.count, Self.maxRecord), using: &state.pointee.random)
        for index in 0..<count { buffers.output[buffers.outputCount + index] = ~plaintext[index] }
        buffers.outputCount += count
        return .done
    }

    public func end(_ buffers: inout TransformBuffers) -> TransformResult { state.pointee.fails() ? .failed : .done }

    public func inputEnded() { state.pointee.hasEnded = true }

    public var hasPartialInput: Bool { !state.pointee.held.isEmpty }

    public var failure: Int64 { state.pointee.hasFailed ? 1 : 0 }

    public var isResumed: Bool { false }

    public var connectionInfo: TLSConnectionInfo? { nil }

    public func release() {
        state.deinitialize(count: 1)
        state.deallocate()
    }
}
