import Glibc
package import Testing

/// A failed system call of a test, described by the call's name, the error's name and the location in the test.
package struct SystemFailure: Error, Equatable, CustomStringConvertible {
    package let call: String
    package let code: Int32
    private var position: String?

    package init(_ call: String, code: Int32 = errno) {
        self.call = call
        self.code = code
    }

    package var description: String {
        "\(call): \(String(cString: strerror(code)))" + (position.map { " (\($0))" } ?? "")
    }

    func at(_ location: SourceLocation) -> SystemFailure {
        var located = self
        located.position = "\(location.fileName):\(location.line)"
        return located
    }

    /// Compares call and code only, not the location.
    package static func == (left: SystemFailure, right: SystemFailure) -> Bool {
        left.call == right.call && left.code == right.code
    }
}

/// A wait that exceeded its deadline.
package struct TimedOut: Error, CustomStringConvertible {
    package let description: String

    package init(waitingFor what: String, after limit: Duration, at location: SourceLocation) {
        description = "no \(what) within \(limit) (\(location.fileName):\(location.line))"
    }
}

/// A value that differs from the required one, where an expectation would not say enough.
package struct Unexpected: Error, CustomStringConvertible {
    package let description: String

    package init(_ what: String, at location: SourceLocation) {
        description = "\(what) (\(location.fileName):\(location.line))"
    }
}

/// Retries a system call while a signal interrupts it (EINTR); throws any other error.
@discardableResult
func retried<Result: SignedInteger>(_ call: String, _ body: () -> Result) throws -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw SystemFailure(call, code: code) }
    }
}
