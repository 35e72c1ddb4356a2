import Support
import Testing

/// How a proxy under test is to move bytes.
enum Engine: String, CaseIterable, Sendable {
    case auto, copy, splice

    /// What ``withProxy(on:to:_:metrics:under:at:_:)`` is to ask for; nil asks for nothing.
    @TaskLocal static var current: Engine?

    /// Expects that what has gone in a direction went as this engine has it go.
    ///
    /// - Parameter isBulk: whether it was so much at once that `auto` must have come to splice.
    func expect(
        in metrics: MetricsText,
        _ direction: Direction,
        isBulk: Bool,
        at location: SourceLocation = #_sourceLocation
    ) throws {
        func bytes(_ engine: Engine) throws -> Double {
            let labels = ["direction": "\(direction)", "engine": "\(engine)"]
            return try #require(metrics.value("monkey_relayed_bytes_total", labels), sourceLocation: location)
        }
        let (copied, spliced) = try (bytes(.copy), bytes(.splice))
        switch self {
        case .auto: if isBulk { #expect(spliced > copied, sourceLocation: location) }
        case .copy: #expect(spliced == 0, sourceLocation: location)
        case .splice: #expect(copied == 0, sourceLocation: location)
        }
    }
}

/// Runs every test of a suite once under each engine, one after the other, and says in its issues which it was.
struct EachEngineTrait: SuiteTrait, TestTrait, TestScoping {
    let isRecursive = true

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        for engine in Engine.allCases {
            let naming = IssueHandlingTrait.compactMapIssues { issue in
                var issue = issue
                issue.comments.append("under the engine \(engine)")
                return issue
            }
            try await Engine.$current.withValue(engine) {
                try await naming.provideScope(for: test, testCase: testCase, performing: function)
            }
        }
    }
}

extension Trait where Self == EachEngineTrait {
    /// What holds must hold however the bytes are moved.
    static var eachEngine: Self { Self() }
}
