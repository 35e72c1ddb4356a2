/// Early initialization of what the Swift runtime needs for the first `Task.sleep`.
///
/// It opens descriptors, and if none are left the process dies of an illegal instruction. Therefore it must be done
/// before connections can exhaust the descriptors, not when the first drain begins.
enum ConcurrencyWarmUp {
    static var done: Void {
        get async { try? await Task.sleep(for: .nanoseconds(1)) }
    }
}
