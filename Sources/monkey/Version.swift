/// The version that `monkey --version` prints.
enum Version {
    static let current = "0.1.0"
}
