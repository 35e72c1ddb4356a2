import Sockets

/// The object behind a descriptor.
public class FakeFile {
    /// Present readiness, as poll(2) would return it.
    var readiness: Readiness { [] }
    /// The interest that a poller has registered; nil if it is not watched.
    var interest: FakePoller.Interest?

    /// Notifies the poller of a change.
    func changed() {
        interest?.poller.signal(self)
    }
}
