import FakeSystem
import Sockets
import TLS
import Testing

@testable import Relay

/// A transform that must send a message of its own before it decodes, as TLS must before it answers a key update.
private struct AnsweringTransform: EndpointTransform {
    private struct State {
        var hasAnswered = false
    }

    private let state: UnsafeMutablePointer<State>

    static let answer: [UInt8] = Array("answer".utf8)

    init() {
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    static func accept(_ context: TLSContext) -> AnsweringTransform? { AnsweringTransform() }
    static func connect(_ context: TLSContext, to server: borrowing TLSServer) -> AnsweringTransform? { nil }

    func handshake(_ buffers: inout TransformBuffers) -> TransformResult { .done }

    func decode(
        _ buffers: inout TransformBuffers,
        into room: UnsafeMutableRawBufferPointer,
        count: inout Int
    ) -> TransformResult {
        guard !buffers.input.isEmpty else { return .needsInput }
        guard state.pointee.hasAnswered else {
            state.pointee.hasAnswered = true
            buffers.output.copyBytes(from: Self.answer)
            buffers.outputCount = Self.answer.count
            return .needsOutput
        }
        count = min(room.count, buffers.input.count)
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffers.input[..<count]))
        buffers.input = UnsafeRawBufferPointer(rebasing: buffers.input[count...])
        return .done
    }

    func encode(
        _ plaintext: UnsafeRawBufferPointer,
        _ buffers: inout TransformBuffers,
        count: inout Int
    ) -> TransformResult { .failed }

    func end(_ buffers: inout TransformBuffers) -> TransformResult { .done }
    func inputEnded() {}
    var hasPartialInput: Bool { false }
    var failure: Int64 { 0 }
    var isResumed: Bool { false }
    var connectionInfo: TLSConnectionInfo? { nil }

    func release() {
        state.deinitialize(count: 1)
        state.deallocate()
    }
}

@Suite("Endpoint with a transform")
struct TransformedEndpointTests {
    @Test("bytes received before a message of the transform is sent are not lost", arguments: [true, false])
    func messageOfTheTransform(canSend: Bool) throws {
        let world = FakeWorld()
        var system = FakeSystem(in: world, wakerToken: Token(bits: 0))
        var buffers = RelayBuffers(size: 64, engine: .copy)
        let hasMemory = buffers.reserveForTransforms(on: &system)
        #expect(hasMemory)
        var endpoint = Endpoint(system.connect(toServer: 1), canSend: canSend)
        let peer = world.connectedPeer(of: 3)
        peer.send("question")
        endpoint.note(.readable)
        var transformed = TransformedEndpoint(AnsweringTransform())
        var room = [UInt8](repeating: 0, count: 64)
        let result = room.withUnsafeMutableBytes {
            transformed.receive(from: &endpoint, into: $0, on: &system, with: &buffers)
        }
        switch result {
        case .moved(let count) where canSend:
            #expect(room[..<count].elementsEqual("question".utf8))
            #expect(peer.received == AnsweringTransform.answer)
        case .failed(let error) where !canSend:
            // The connection fails rather than losing bytes.
            #expect(error == .protocolError)
        default:
            Issue.record("received \(result)")
        }
        transformed.release(with: &buffers)
        if let descriptor = endpoint.descriptor.take() { system.close(descriptor) }
    }
}
