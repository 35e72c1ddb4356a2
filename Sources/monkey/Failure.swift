/// What stops a command: one sentence that names the argument and how to mend it.
struct Failure: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
