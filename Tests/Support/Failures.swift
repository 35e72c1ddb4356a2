import Glibc
package import Testing

/// A system call made by a test that failed, told by the name of the call, the name of its error and where the test was.
package struct SystemFailure: Error, Equatable, CustomStringConvertible {
    package let call: String
    package let code: Int32
    private var place: String?

    package init(_ call: String, code: Int32 = errno) {
        self.call = call
        self.code = code
    }

    package var description: String {
        "\(call): \(String(cString: strerror(code)))" + (place.map { " (\($0))" } ?? "")
    }

    func at(_ location: SourceLocation) -> SystemFailure {
        var located = self
        located.place = "\(location.fileName):\(location.line)"
        return located
    }

    /// By call and code: where it happened makes no other failure of it.
    package static func == (left: SystemFailure, right: SystemFailure) -> Bool {
        left.call == right.call && left.code == right.code
    }
}

/// A wait that met its deadline.
package struct TimedOut: Error, CustomStringConvertible {
    package let description: String

    package init(waitingFor what: String, after limit: Duration, at location: SourceLocation) {
        description = "no \(what) within \(limit) (\(location.fileName):\(location.line))"
    }
}

/// Something a test was given that is not what it had to be, where an expectation would not say enough.
package struct Unexpected: Error, CustomStringConvertible {
    package let description: String

    package init(_ what: String, at location: SourceLocation) {
        description = "\(what) (\(location.fileName):\(location.line))"
    }
}

/// Runs a system call again for as long as a signal interrupts it; any other failure is thrown.
@discardableResult
func retried<Result: SignedInteger>(_ call: String, _ body: () -> Result) throws -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw SystemFailure(call, code: code) }
    }
}
