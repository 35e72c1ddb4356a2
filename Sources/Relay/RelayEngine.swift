/// The transfer engine of a direction: bytes are copied through user space or spliced through a pipe.
public enum RelayEngine: String, Sendable, CaseIterable {
    /// Copies small messages and splices larger ones: each direction selects by the sizes of its recent transfers.
    case auto
    /// Copies everything.
    case copy
    /// Splices everything for which a pipe is available, regardless of size; for tests.
    case splice
}
