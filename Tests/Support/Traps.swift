import Foundation
package import Testing

/// A trait of tests that expect traps.
package struct ExpectsTrapsTrait: SuiteTrait, TestTrait {
    /// Swift prints the stacks of a process that traps, which takes seconds of processor time in a program of this size.
    private static let backtracesAreOff = setenv("SWIFT_BACKTRACE", "enable=no", 1) == 0

    package let isRecursive = true

    package func prepare(for test: Test) throws {
        guard Self.backtracesAreOff else { throw SystemFailure("setenv", code: errno) }
    }
}

extension Trait where Self == ExpectsTrapsTrait {
    /// The tests start processes that trap.
    package static var expectsTraps: Self { Self() }
}
