import Support
import Testing

/// The engine that a proxy under test uses to move bytes.
enum Engine: String, CaseIterable, Sendable {
    case auto, copy, splice

    /// The value of `--engine` passed by ``withProxy(on:to:_:metrics:under:at:_:)``; nil omits the option.
    @TaskLocal static var current: Engine?

    /// Expects that the bytes of a direction were moved as this engine moves them.
    ///
    /// - Parameter isBulk: whether the transfer was large enough for `auto` to have switched to splice.
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

/// A trait that runs each test of a suite once per engine, in sequence, and names the engine in its issues.
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
    /// Behavior that must not depend on the engine.
    static var eachEngine: Self { Self() }
}
